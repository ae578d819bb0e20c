/** @file Exports trained weights: the folder has the values of the run, and a failure leaves nothing behind. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import type { ExportEvent } from '../../../src-main/contract/schema.ts';
import { openLogitsReader } from '../../../src-main/engine/model/programs.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import {
  checkpointWeights,
  loadModel,
  retypeCheckpoint,
  type WeightSource,
} from '../../../src-main/engine/model/weights.ts';
import {
  openCheckpoint,
  readTensor,
  type Checkpoint,
} from '../../../src-main/store/checkpoint/checkpoint.ts';
import { newestStep } from '../../../src-main/store/run/runs.ts';
import { downcast, weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  mainFamilies,
  collect,
  expectNothingLeft,
  addToWeight,
  growthNamed,
  createTestRun,
  planFor,
  neverAborted,
  createTextFile,
  readValues,
} from '../workbench.ts';

describe.each(mainFamilies)('%s', (id) => {
  /** A grown bfloat16 checkpoint, a run that trained it, and the trained model. */
  let grown: string;
  let run: string;
  let model: Checkpoint;
  beforeAll(async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true, dtype: 'bfloat16' });
    writeFileSync(join(source, 'README.md'), '---\nlicense: cc-by-4.0\nlanguage: no\n---\n# The source\n');
    grown = freePath('grown');
    const plan = await planFor(source, growthNamed('hypercloning'));
    await collect(grow({ source, out: grown, plan, device: 'cpu' }, neverAborted));
    run = await createTestRun(grown, createTextFile());
    await collect(train({ run }, neverAborted));
    model = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
  });

  it.each(['keep', ...weightDTypes] as const)('exports the trained weights as %s', async (dtype) => {
    const out = freePath('export');
    const events = await collect(exportRun({ run, out, dtype }, neverAborted));
    const exported = await openCheckpoint(out);
    const exportedDType = dtype === 'keep' ? 'bfloat16' : dtype;
    const done = events.at(-1) as Extract<ExportEvent, { type: 'done' }>;
    expect(done).toMatchObject({ type: 'done', dir: out, device: 'cpu' });
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
    for (const dir of [grown, out])
      expect(readFileSync(join(dir, 'README.md'), 'utf8')).toMatch(
        /^---\nlanguage: "no"\nlicense: cc-by-4\.0\n/,
      );
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toMatch(/\nmodel-index:\n[^]*held-out part of /);
    expect(exportedDType === 'float32' ? done.maxLogit : 0).toBe(0);
    expect(exported.summary.dtypes).toEqual([exportedDType]);
    expect(exported.config['torch_dtype']).toBe(exportedDType);
    expect(exported.growth).toEqual((await openCheckpoint(grown)).growth);
    // The grown copies differ by what a short training changed, which rounding to 8 bits partly removes.
    const merged = expect.stringContaining('are equal in bfloat16');
    if (exportedDType !== 'float16') expect(done.notes).toEqual(exportedDType === 'float32' ? [] : [merged]);
    for (const name of model.tensors.keys()) {
      const expected = downcast(await readValues(model, name), exportedDType);
      expect(Buffer.compare(await readTensor(exported, name), expected), name).toBe(0);
    }
  });

  it('removes a folder that does not have the logits of the run', async () => {
    const out = freePath('export');
    await expectAppError('export/differs', async () => {
      for await (const event of exportRun({ run, out, dtype: 'float32' }, neverAborted))
        if (event.type === 'comparing')
          await addToWeight(out, [...(await openCheckpoint(out)).tensors.keys()][0]!, 1e-2);
    });
    expectNothingLeft(out);
  });

  it('leaves nothing behind if it is cancelled at any event', async () => {
    for (let cancelAt = 0; cancelAt <= model.tensors.size + 1; cancelAt += 4) {
      const out = freePath('export');
      const { signal, abort } = createAborter();
      let seen = 0;
      if (cancelAt === 0) abort();
      await expectAppError('cancelled', async () => {
        for await (const event of exportRun({ run, out, dtype: 'keep' }, signal)) {
          expect(event.type).not.toBe('done');
          seen++;
          if (seen === cancelAt) abort();
        }
      });
      expectNothingLeft(out);
    }
  });

  it.each(['tensor', 'comparing'])(
    'leaves nothing behind if the caller stops reading at the event %s',
    async (type) => {
      const out = freePath('export');
      for await (const event of exportRun({ run, out, dtype: 'keep' }, neverAborted))
        if (event.type === type) break;
      expectNothingLeft(out);
    },
  );

  it('refuses a dtype that is too narrow for the weights', async () => {
    const name = [...model.tensors.keys()][0]!;
    const out = freePath('export');
    await addToWeight(model.dir, name, 1e5, 1);
    await expectAppError('checkpoint/overflow', () =>
      collect(exportRun({ run, out, dtype: 'float16' }, neverAborted)),
    );
    expectNothingLeft(out);
    await addToWeight(model.dir, name, -1e5, 1);
  });
});

it('refuses a run without a checkpoint, and an existing folder', async () => {
  const source = await makeTinyCheckpoint('gpt2', { tokenizer: true });
  const run = await createTestRun(source, createTextFile());
  const out = freePath('export');
  await expectAppError('run/no-checkpoint', () =>
    collect(exportRun({ run, out, dtype: 'keep' }, neverAborted)),
  );
  await collect(train({ run }, neverAborted));
  mkdirSync(out, { recursive: true });
  await expectAppError('file/exists', () => collect(exportRun({ run, out, dtype: 'keep' }, neverAborted)));
  expect(readdirSync(out)).toEqual([]);
});

describe('embeddings that are multiplied by a number rounded to the dtype', () => {
  const source = makeTinyCheckpoint('gemma', { tokenizer: true, dtype: 'bfloat16', dims: { hidden: 24 } });

  it('are retyped without a change of the function', async () => {
    const base = await openCheckpoint(await source);
    const device = await openDevice('cpu');
    const { checkpoint, weights } = retypeCheckpoint(base, 'float32');
    const tokens = Int32Array.from({ length: 16 }, (_, i) => (7 * i) % 64);
    const computeLogits = async (model: Checkpoint, from: WeightSource): Promise<Float32Array> => {
      const loaded = await loadModel(device, model, from);
      const reader = await openLogitsReader(device, loaded, 1, tokens.length);
      try {
        return await reader.run(tokens);
      } finally {
        await reader.dispose();
        loaded.dispose();
      }
    };
    const before = await computeLogits(base, checkpointWeights(base));
    const maxDifference = (after: Float32Array): number =>
      before.reduce((most, v, i) => Math.max(most, Math.abs(v - after[i]!)), 0);
    expect(maxDifference(await computeLogits(checkpoint, weights))).toBeLessThan(1e-5);
    const uncorrected = await computeLogits(checkpoint, checkpointWeights(base));
    expect(maxDifference(uncorrected)).toBeGreaterThan(1e-4);
    await device.dispose();
  });

  it('are exported without a change of the function', async () => {
    const run = await createTestRun(await source, createTextFile());
    const out = freePath('export');
    await collect(train({ run }, neverAborted));
    const model = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
    expect(model.config['torch_dtype']).toBe('float32');
    await collect(exportRun({ run, out, dtype: 'keep' }, neverAborted));
    const exported = await openCheckpoint(out);
    const exact = Math.fround(Math.sqrt(24));
    const rounded = 4.90625;
    expect(exported.config['torch_dtype']).toBe('bfloat16');
    for (const name of model.tensors.keys()) {
      const values = await readValues(model, name);
      let factor = 1;
      if (name === 'model.embed_tokens.weight') factor = exact / rounded;
      if (name === 'model.norm.weight') factor = rounded / exact;
      const offset = name === 'model.norm.weight' ? 1 : 0;
      const expected = factor === 1 ? values : values.map((v) => (v + offset) * factor - offset);
      const bytes = downcast(expected, 'bfloat16');
      expect(Buffer.compare(await readTensor(exported, name), bytes), name).toBe(0);
    }
  });
});
