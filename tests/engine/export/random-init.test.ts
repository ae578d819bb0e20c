/** @file Runs from random weights: what they save and export does not claim the growth of their checkpoint. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src-main/engine/export/onnx-job.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { changeSettings, newestStep, readRun } from '../../../src-main/store/run/runs.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  collect,
  createTestRun,
  createTextFile,
  eventsOfType,
  growthNamed,
  neverAborted,
  planFor,
  smallSettings,
} from '../workbench.ts';

const textFile = createTextFile();
let grown: string;
let run: string;
beforeAll(async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  writeFileSync(join(source, 'README.md'), '---\nlicense: cc-by-4.0\n---\n# The source\n');
  grown = freePath('grown');
  const plan = await planFor(source, growthNamed('hypercloning'));
  await collect(grow({ source, out: grown, plan, device: 'cpu' }, neverAborted));
  run = await createTestRun(grown, textFile, { init: 'random' });
  await collect(train({ run }, neverAborted));
});

describe('a run from random weights of a grown checkpoint', () => {
  it('saves models that were not grown', async () => {
    const model = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
    expect(model.growth).toBeNull();
    expect(model.summary.grownFrom).toBeUndefined();
  });

  it('is exported without the record, the source and the licence of the growth', async () => {
    const out = freePath('export');
    await collect(exportRun({ run, out, dtype: 'keep' }, neverAborted));
    expect(existsSync(join(out, 'growth.json'))).toBe(false);
    expect(JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'))).toMatchObject({ init: 'random' });
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toMatch(/Trained with Cambium from random weights\./);
    expect(card).toMatch(/No weight of this model comes from grown/);
    expect(card).toMatch(/1\. Random weights with the architecture and the tokenizer of `grown`/);
    expect(card).not.toMatch(/base_model|license:|[Gg]rown from|hypercloning|[Cc]ertificate/);
  });

  it('is exported to ONNX in the same way', async () => {
    const out = freePath('onnx');
    await collect(exportOnnx({ run, out, dtype: 'keep', format: 'onnx' }, neverAborted));
    expect(existsSync(join(out, 'growth.json'))).toBe(false);
    expect(readFileSync(join(out, 'README.md'), 'utf8')).not.toMatch(/base_model|hypercloning/);
  });

  it('can be distilled from the source of the growth, also after it was resumed', async () => {
    const distilled = await createTestRun(grown, textFile, { init: 'random', distillWeight: 0.5 });
    const first = await collect(train({ run: distilled }, neverAborted));
    const { settings } = await readRun(distilled);
    await changeSettings(distilled, { ...settings, tokens: 2 * smallSettings.tokens });
    const resumed = await collect(train({ run: distilled }, neverAborted));
    for (const events of [first, resumed]) {
      const steps = eventsOfType(events, 'step');
      expect(steps.length).toBeGreaterThan(0);
      for (const { kl } of steps) expect(kl).toBeGreaterThan(0);
    }
  });
});

it('a run from the weights of a grown checkpoint keeps its record', async () => {
  const other = await createTestRun(grown, textFile);
  await collect(train({ run: other }, neverAborted));
  const out = freePath('export');
  await collect(exportRun({ run: other, out, dtype: 'keep' }, neverAborted));
  const card = readFileSync(join(out, 'README.md'), 'utf8');
  expect(card).toMatch(/base_model: \S+\nbase_model_relation: finetune/);
  expect(card).toMatch(/Function-preserving, as measured on this text/);
  expect((await openCheckpoint(out)).growth).toEqual((await openCheckpoint(grown)).growth);
});
