/**
 * @file Exports: what was trained, in the type that was asked for, compared before it is called done; or
 * nothing.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import type { ExportEvent } from '../../../src-main/contract/schema.ts';
import { logitsReader } from '../../../src-main/engine/model/programs.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { fromCheckpoint, load, retyped, type WeightSource } from '../../../src-main/engine/model/weights.ts';
import {
  openCheckpoint,
  readTensor,
  type Checkpoint,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import { newestStep } from '../../../src-main/store/run/runs.ts';
import { narrow, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  chief,
  collected,
  damage,
  growthBy,
  newRun,
  planned,
  quiet,
  textFile,
  valuesOf,
} from '../workbench.ts';

const nothingLeft = (out: string): void => {
  expect(existsSync(dirname(out)) ? readdirSync(dirname(out)) : []).toEqual([]);
};

describe.each(chief)('%s', (id) => {
  /** A run of a grown bfloat16 checkpoint. */
  const trained = (async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true, dtype: 'bfloat16' });
    const start = freePath('grown');
    writeFileSync(join(source, 'README.md'), '---\nlicense: cc-by-4.0\n---\n# The source\n');
    await collected(
      grow(
        { source, out: start, plan: await planned(source, growthBy('hypercloning')), device: 'cpu' },
        quiet,
      ),
    );
    const run = await newRun(start, textFile());
    await collected(train({ run }, quiet));
    return { start, run, model: await openCheckpoint(join((await newestStep(run))!.dir, 'model')) };
  })();

  it.each(['keep', ...weightDTypes] as const)('as %s it reads back as it was trained', async (dtype) => {
    const { start, run, model } = await trained;
    const out = freePath('export');
    const events = await collected(exportRun({ run, out, dtype }, quiet));
    const written = await openCheckpoint(out);
    const type = dtype === 'keep' ? 'bfloat16' : dtype;
    const done = events.at(-1) as Extract<ExportEvent, { at: 'done' }>;
    expect(done).toMatchObject({ at: 'done', dir: out, device: 'cpu' });
    expect([...done.files]).toEqual(readdirSync(out).sort());
    expect(done.files).toEqual(
      expect.arrayContaining([
        'README.md',
        'config.json',
        'growth.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
      ]),
    );
    for (const dir of [start, out])
      expect(readFileSync(join(dir, 'README.md'), 'utf8')).toMatch(/^---\nlicense: cc-by-4\.0\n/);
    expect(type === 'float32' ? done.maxLogit : 0).toBe(0);
    expect(written.card.dtypes).toEqual([type]);
    expect(written.config['torch_dtype']).toBe(type);
    expect(written.growth).toEqual((await openCheckpoint(start)).growth);
    for (const name of model.refs.keys())
      expect(
        Buffer.compare(await readTensor(written, name), narrow(await valuesOf(model, name), type)),
        name,
      ).toBe(0);
  });

  it('what does not read back as it was written is refused and removed', async () => {
    const { run } = await trained;
    const out = freePath('export');
    await refusal('export/differs', async () => {
      for await (const event of exportRun({ run, out, dtype: 'float32' }, quiet))
        if (event.at === 'comparing')
          await damage(out, [...(await openCheckpoint(out)).refs.keys()][0]!, 1e-2);
    });
    nothingLeft(out);
  });

  it('cancelled at any event, or left, it leaves nothing behind', async () => {
    const { run, model } = await trained;
    for (let at = 0; at <= model.refs.size + 1; at += 4) {
      const out = freePath('export');
      const { signal, abort } = aborter();
      let seen = 0;
      if (at === 0) abort();
      await refusal('cancelled', async () => {
        for await (const event of exportRun({ run, out, dtype: 'keep' }, signal)) {
          expect(event.at).not.toBe('done');
          if (++seen === at) abort();
        }
      });
      nothingLeft(out);
    }
    for (const left of ['tensor', 'comparing']) {
      const out = freePath('export');
      for await (const event of exportRun({ run, out, dtype: 'keep' }, quiet)) if (event.at === left) break;
      nothingLeft(out);
    }
  });

  it('a type that is too narrow for the weights is refused', async () => {
    const { run, model } = await trained;
    const name = [...model.refs.keys()][0]!;
    const out = freePath('export');
    await damage(model.dir, name, 1e5, 1);
    await refusal('checkpoint/overflow', () => collected(exportRun({ run, out, dtype: 'float16' }, quiet)));
    nothingLeft(out);
    await damage(model.dir, name, -1e5, 1);
  });
});

it('a run without a checkpoint, and a folder that exists, are refused', async () => {
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  const run = await newRun(source, textFile());
  const out = freePath('export');
  await refusal('run/no-checkpoint', () => collected(exportRun({ run, out, dtype: 'keep' }, quiet)));
  await collected(train({ run }, quiet));
  mkdirSync(out, { recursive: true });
  await refusal('file/exists', () => collected(exportRun({ run, out, dtype: 'keep' }, quiet)));
  expect(readdirSync(out)).toEqual([]);
});

describe('embeddings that are multiplied by a number rounded to the element type', () => {
  const given = makeTinyCheckpoint('gemma', { tokenizer: true, dtype: 'bfloat16', dims: { hidden: 24 } });
  it('are trained as the function that the checkpoint is', async () => {
    const base = await openCheckpoint(await given);
    const device = await openDevice('cpu');
    const { checkpoint, weights } = retyped(base, 'float32');
    const tokens = Int32Array.from({ length: 16 }, (_, i) => (7 * i) % 64);
    const logits = async (model: Checkpoint, source: WeightSource): Promise<Float32Array> => {
      const loaded = await load(device, model, source);
      const reader = await logitsReader(device, loaded, 1, tokens.length);
      try {
        return await reader.run(tokens);
      } finally {
        await reader.dispose();
        loaded.dispose();
      }
    };
    const before = await logits(base, fromCheckpoint(base));
    const moved = (after: Float32Array): number =>
      before.reduce((most, v, i) => Math.max(most, Math.abs(v - after[i]!)), 0);
    expect(moved(await logits(checkpoint, weights))).toBeLessThan(1e-5);
    expect(moved(await logits(checkpoint, fromCheckpoint(base)))).toBeGreaterThan(1e-4);
    await device.dispose();
  });
  it('are exported as the function that was trained', async () => {
    const run = await newRun(await given, textFile());
    const out = freePath('export');
    await collected(train({ run }, quiet));
    const model = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
    expect(model.config['torch_dtype']).toBe('float32');
    await collected(exportRun({ run, out, dtype: 'keep' }, quiet));
    const written = await openCheckpoint(out);
    const [exact, rounded] = [Math.fround(Math.sqrt(24)), 4.90625];
    expect(written.config['torch_dtype']).toBe('bfloat16');
    for (const name of model.refs.keys()) {
      const values = await valuesOf(model, name);
      const by =
        name === 'model.embed_tokens.weight'
          ? exact / rounded
          : name === 'model.norm.weight'
            ? rounded / exact
            : 1;
      const offset = name === 'model.norm.weight' ? 1 : 0;
      const expected = by === 1 ? values : values.map((v) => (v + offset) * by - offset);
      expect(Buffer.compare(await readTensor(written, name), narrow(expected, 'bfloat16')), name).toBe(0);
    }
  });
});
