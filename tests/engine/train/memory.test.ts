/** @file The memory that is predicted from the graphs, compared with the peak of a real engine process. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../../src-main/cost/memory.ts';
import { programsOf, subjectOf } from '../../../src-main/cost/programs.ts';
import { createSavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { formatRecord, growthRecordFile } from '../../../src-main/model/records.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../../src-main/store/run/runs.ts';
import { tokensPerStep } from '../../../src-main/train/schedule.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

/** Largest relative error of the prediction. */
const tolerance = 0.15;

const text = join(freshFolder('text'), 'text.txt');
writeFileSync(
  text,
  Array.from({ length: 9000 }, (_, i) => `line ${(i * 7919) % 1000} says ${(i * 31) % 97}`).join('\n'),
);

const models = {
  llama: { hidden: 256, heads: 4, kv_heads: 4, group: 2, head_dim: 32, ffn: 688, layers: 6 },
  gpt2: { hidden: 192, heads: 6, head_dim: 32, ffn: 768, layers: 8, positions: 512 },
} as const;
type ModelName = keyof typeof models;

const cases: readonly (readonly [ModelName, what: string, settings: Partial<TrainingSettings>])[] = [
  ['llama', 'without activation checkpointing', { activationCheckpointing: 'off' }],
  ['llama', 'with every block recomputed', { activationCheckpointing: 'full' }],
  [
    'gpt2',
    'with attention scores recomputed',
    { activationCheckpointing: 'attention', contextLength: 512, microBatch: 4 },
  ],
  ['gpt2', 'with gradient accumulation', { gradAccum: 2, microBatch: 4 }],
  ['llama', 'with distillation', { distillWeight: 0.5, perTensorLr: 'off' }],
];

const makeCheckpoint = (model: ModelName): Promise<string> =>
  makeTinyCheckpoint(model, { dims: models[model], tokenizer: true });

/** Adds a growth record, so that the checkpoint counts as grown from another one of the same sizes. */
async function addGrowthRecord(checkpoint: string, model: ModelName): Promise<void> {
  const { summary } = await openCheckpoint(await makeCheckpoint(model));
  const layers = summary.dims['layers']! + 1;
  const request = { method: 'identity', to: { layers }, options: {}, seed: 0, dtype: 'keep' } as const;
  // Without stages, no learning rate is scaled.
  const plan = { ...createSavedPlan(summary, request, null), stages: [] };
  const record = formatRecord({
    version: 1,
    source: summary.dir,
    method: 'hypercloning',
    plan,
    certificate: null,
    cambium: '0',
  });
  writeFileSync(join(checkpoint, growthRecordFile), record);
}

/** Trains a run in a process of its own and returns the peak memory of that process in bytes. */
function measurePeak(run: string): number {
  const output = execFileSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'memory-child.ts'), run],
    { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: freshFolder('home') } },
  );
  const lastLine = output.trim().split('\n').at(-1)!;
  const { last, peak } = JSON.parse(lastLine) as { last: unknown; peak: number };
  expect(last, JSON.stringify(last)).toMatchObject({ type: 'stopped', reason: 'finished' });
  return peak;
}

describe.each(Object.keys(models) as ModelName[])('the predicted memory of %s', (model) => {
  const casesOfModel = cases
    .filter(([name]) => name === model)
    .map(([, what, changes]) => [what, changes] as const);
  it.each(casesOfModel)('is within 15 %% of the peak of a process %s', async (_, changes) => {
    const checkpoint = await makeCheckpoint(model);
    if (changes.distillWeight) await addGrowthRecord(checkpoint, model);
    const perStep: TrainingSettings = {
      ...trainingDefaults,
      microBatch: 8,
      contextLength: 256,
      device: 'cpu',
      threads: 2,
      heldOut: 0.05,
      ...changes,
    };
    const settings = { ...perStep, tokens: 4 * tokensPerStep(perStep) };
    const subject = subjectOf(await openCheckpoint(checkpoint));
    const run = freePath('run');
    await createRun(run, { checkpoint, data: [text], settings, name: 'memory' });
    const peak = measurePeak(run);
    const { total } = memoryOf(programsOf(subject, settings, 'cpu'), settings, 'cpu');
    expect(Math.abs(total.likely / peak - 1)).toBeLessThan(tolerance);
  });
});
