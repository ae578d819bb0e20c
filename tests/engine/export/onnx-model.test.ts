/** @file ONNX files of every golden checkpoint compute the logits of transformers, with and without a cache. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  buildOnnxDecoder,
  onnxFile,
  onnxWeightsFile,
  type OnnxDecoder,
} from '../../../src-main/engine/export/onnx-model.ts';
import { openOnnxReader } from '../../../src-main/engine/export/onnx-session.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { fixedLengthOf } from '../../../src-main/model/rope-frequencies.ts';
import { loadGolden, goldenCases } from '../../support/golden.ts';
import { freePath } from '../../support/temporary.ts';

/** Writes the ONNX file of a golden checkpoint to a new folder. */
function exportGolden(name: string): { readonly path: string; readonly model: OnnxDecoder } {
  const golden = loadGolden(name);
  const family = familyOf(golden.config);
  const dims = dimsOf(family, golden.config);
  const settings = settingsOf(family, golden.config);
  const model = buildOnnxDecoder(family, dims, settings, 64);
  const dir = freePath('onnx');
  mkdirSync(dir, { recursive: true });
  const data = Buffer.alloc(model.weightBytes);
  for (const { name: weight, offset } of model.weights) {
    const values = golden.weights.get(weight)!;
    Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(data, offset);
  }
  writeFileSync(join(dir, onnxFile), model.bytes);
  writeFileSync(join(dir, onnxWeightsFile), data);
  return { path: join(dir, onnxFile), model };
}

/** Whether the frequencies of a golden checkpoint are the same for its text as for a short one. */
function hasFixedFrequencies(name: string): boolean {
  const { ids, config } = loadGolden(name);
  return ids[0]!.length <= fixedLengthOf(settingsOf(familyOf(config), config));
}

it('ends where frequencies would depend on the length of the text', () => {
  expect(goldenCases.filter((name) => !hasFixedFrequencies(name))).toEqual(['phi3-longrope']);
  expect(exportGolden('phi3-longrope').model.maxPositions).toBe(16);
});

describe.each(goldenCases.filter(hasFixedFrequencies))('%s', (name) => {
  it('computes the logits of transformers for a prompt and then token by token', async () => {
    const { path, model } = exportGolden(name);
    const device = await openDevice('cpu');
    const { ids, logits, config } = loadGolden(name);
    const vocab = dimsOf(familyOf(config), config)['vocab']!;
    for (const [row, text] of ids.entries()) {
      const reader = await openOnnxReader(device, path, model.past);
      const parts = [
        text.slice(0, 5),
        text.slice(5, 6),
        ...text.slice(6, -3).map((id) => [id]),
        text.slice(-3),
      ].filter((part) => part.length > 0);
      let position = row * text.length * vocab;
      let maxDifference = 0;
      for (const part of parts)
        for (const logit of await reader.read(part)) {
          maxDifference = Math.max(maxDifference, Math.abs(logit - logits[position]!));
          position++;
        }
      expect(position).toBe((row + 1) * text.length * vocab);
      expect(maxDifference).toBeLessThan(1e-4);
      await reader.dispose();
    }
    await device.dispose();
  });
});

describe.each(['gpt2-tied', 'llama-tied-gqa', 'gemma2-softcap'])('%s in onnxruntime-node', (name) => {
  const { ids, logits, config } = loadGolden(name);
  const text = ids[0]!;
  const vocab = dimsOf(familyOf(config), config)['vocab']!;
  const int64 = (values: readonly number[]): ort.Tensor =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);

  let session: ort.InferenceSession;
  let emptyCache: Record<string, ort.Tensor>;
  beforeAll(async () => {
    const { path, model } = exportGolden(name);
    session = await ort.InferenceSession.create(path, { logSeverityLevel: 3 });
    emptyCache = Object.fromEntries(
      Object.entries(model.past).map(([key, { heads, width }]) => [
        key,
        new ort.Tensor('float32', new Float32Array(0), [1, heads, 0, width]),
      ]),
    );
  });

  /** Runs tokens at `positions` after `past` and returns the outputs. */
  const run = (
    tokens: readonly number[],
    mask: readonly number[],
    positions: readonly number[],
    past: Record<string, ort.Tensor>,
  ): Promise<ort.InferenceSession.OnnxValueMapType> =>
    session.run({
      input_ids: int64(tokens),
      attention_mask: int64(mask),
      position_ids: int64(positions),
      ...past,
    });
  const logitsIn = (outputs: ort.InferenceSession.OnnxValueMapType): Float32Array =>
    (outputs['logits'] as ort.Tensor).data as Float32Array;
  /** The largest difference from the expected logits, from `token` on. */
  const maxDifference = (actual: Float32Array, token: number): number =>
    actual.reduce((most, x, i) => Math.max(most, Math.abs(x - logits[token * vocab + i]!)), 0);

  it('computes the logits with and without a cache', async () => {
    const all = await run(
      text,
      text.map(() => 1),
      text.map((_, i) => i),
      emptyCache,
    );
    expect(maxDifference(logitsIn(all), 0)).toBeLessThan(1e-4);
    let past = emptyCache;
    for (const [i, id] of text.entries()) {
      const outputs = await run([id], Array<number>(i + 1).fill(1), [i], past);
      expect(maxDifference(logitsIn(outputs), i)).toBeLessThan(1e-4);
      past = Object.fromEntries(
        Object.keys(emptyCache).map((key) => [
          key,
          outputs[key.replace('past_key_values', 'present')] as ort.Tensor,
        ]),
      );
    }
  });

  it('does not attend to padding that the mask hides', async () => {
    const padded = [1, 2, 3, ...text];
    const outputs = await run(
      padded,
      padded.map((_, i) => (i < 3 ? 0 : 1)),
      padded.map((_, i) => Math.max(0, i - 3)),
      emptyCache,
    );
    expect(maxDifference(logitsIn(outputs).slice(3 * vocab), 0)).toBeLessThan(1e-4);
  });
});
