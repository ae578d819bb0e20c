/**
 * @file ONNX files for inference: every golden checkpoint, read at once and token by token, gives the logits
 * of transformers.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { onnxDecoder, onnxFile, onnxWeightsFile } from '../../../src-main/engine/export/onnx-model.ts';
import { openOnnx } from '../../../src-main/engine/export/onnx-session.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { golden, goldenCases } from '../../support/golden.ts';
import { freePath } from '../../support/temporary.ts';

/** The export of a golden checkpoint, in a folder of its own. */
function exported(name: string): { readonly path: string; readonly model: ReturnType<typeof onnxDecoder> } {
  const g = golden(name);
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const model = onnxDecoder(family, dims, settings, 64);
  const dir = freePath('onnx');
  mkdirSync(dir, { recursive: true });
  const data = Buffer.alloc(model.size);
  for (const { name: weight, offset } of model.weights) {
    const values = g.weights.get(weight)!;
    Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(data, offset);
  }
  writeFileSync(join(dir, onnxFile), model.bytes);
  writeFileSync(join(dir, onnxWeightsFile), data);
  return { path: join(dir, onnxFile), model };
}

describe.each(goldenCases)('%s', (name) => {
  it('computes the logits of transformers, a part at once and the rest token by token', async () => {
    const { path, model } = exported(name);
    const device = await openDevice('cpu');
    const { ids, logits, config } = golden(name);
    const vocab = dimsOf(familyOf(config), config)['vocab']!;
    for (const [row, text] of ids.entries()) {
      const reader = await openOnnx(device, path, model.past);
      const parts = [
        text.slice(0, 5),
        text.slice(5, 6),
        ...text.slice(6, -3).map((id) => [id]),
        text.slice(-3),
      ].filter((part) => part.length > 0);
      let at = row * text.length * vocab;
      let worst = 0;
      for (const part of parts)
        for (const x of await reader.read(part)) worst = Math.max(worst, Math.abs(x - logits[at++]!));
      expect(at).toBe((row + 1) * text.length * vocab);
      expect(worst).toBeLessThan(1e-4);
      await reader.dispose();
    }
    await device.dispose();
  });
});

describe.each(['gpt2-tied', 'llama-tied-gqa', 'gemma2-bounded'])(
  '%s, through the official binding',
  (name) => {
    const { ids, logits, config } = golden(name);
    const text = ids[0]!;
    const vocab = dimsOf(familyOf(config), config)['vocab']!;
    const ints = (values: readonly number[]): ort.Tensor =>
      new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const opened = async (): Promise<{
      readonly session: ort.InferenceSession;
      readonly nothing: Record<string, ort.Tensor>;
    }> => {
      const { path, model } = exported(name);
      return {
        session: await ort.InferenceSession.create(path, { logSeverityLevel: 3 }),
        nothing: Object.fromEntries(
          Object.entries(model.past).map(([key, { heads, width }]) => [
            key,
            new ort.Tensor('float32', new Float32Array(0), [1, heads, 0, width]),
          ]),
        ),
      };
    };
    const worst = (found: Float32Array, at: number): number =>
      found.reduce((most, x, i) => Math.max(most, Math.abs(x - logits[at * vocab + i]!)), 0);

    it('reads its logits, with and without a cache', async () => {
      const { session, nothing } = await opened();
      const whole = await session.run({
        input_ids: ints(text),
        attention_mask: ints(text.map(() => 1)),
        position_ids: ints(text.map((_, i) => i)),
        ...nothing,
      });
      expect(worst(whole['logits']!.data as Float32Array, 0)).toBeLessThan(1e-4);
      let past: Record<string, ort.Tensor> = nothing;
      for (const [i, id] of text.entries()) {
        const one = await session.run({
          input_ids: ints([id]),
          attention_mask: ints(Array<number>(i + 1).fill(1)),
          position_ids: ints([i]),
          ...past,
        });
        expect(worst(one['logits']!.data as Float32Array, i)).toBeLessThan(1e-4);
        past = Object.fromEntries(
          Object.keys(nothing).map((key) => [key, one[key.replace('past_key_values', 'present')]!]),
        );
      }
    });

    it('sees nothing of what the mask hides', async () => {
      const { session, nothing } = await opened();
      const padded = [1, 2, 3, ...text];
      const { logits: found } = await session.run({
        input_ids: ints(padded),
        attention_mask: ints(padded.map((_, i) => (i < 3 ? 0 : 1))),
        position_ids: ints(padded.map((_, i) => Math.max(0, i - 3))),
        ...nothing,
      });
      expect(worst((found!.data as Float32Array).slice(3 * vocab), 0)).toBeLessThan(1e-4);
    });
  },
);
