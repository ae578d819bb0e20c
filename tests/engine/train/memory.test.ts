/** @file Memory as it is predicted from the graphs, beside what a real engine process held at its worst. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../../src-main/cost/memory.ts';
import { programsOf, subjectOf } from '../../../src-main/cost/programs.ts';
import { describeSource, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { growthRecordFile, formatRecord } from '../../../src-main/model/records.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../../src-main/store/run/runs.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

/** Largest share by which the prediction may be off. */
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
const cases: readonly (readonly [
  model: keyof typeof models,
  what: string,
  settings: Partial<TrainingSettings>,
])[] = [
  ['llama', 'all held', { activationCheckpointing: 'off' }],
  ['llama', 'every block made again', { activationCheckpointing: 'full' }],
  ['gpt2', 'attention made again', { activationCheckpointing: 'attention', contextLength: 512, microBatch: 4 }],
  ['gpt2', 'two batches to an update', { gradAccum: 2, microBatch: 4 }],
  ['llama', 'learned from a source', { distillWeight: 0.5, perTensorLr: 'off' }],
];

describe.each(Object.keys(models) as (keyof typeof models)[])('%s', (model) => {
  it.each(cases.filter(([m]) => m === model))('%s, %s', async (_, __, more) => {
    const checkpoint = await makeTinyCheckpoint(model, { dims: models[model], tokenizer: true });
    if (more.distillWeight) {
      const { summary: card } = await openCheckpoint(
        await makeTinyCheckpoint(model, { dims: models[model], tokenizer: true }),
      );
      const plan: SavedPlan = { format: 'cambium-plan', version: 2, source: describeSource(card, null), stages: [] };
      writeFileSync(
        join(checkpoint, growthRecordFile),
        formatRecord({
          version: 1,
          source: card.dir,
          method: 'hypercloning',
          plan,
          certificate: null,
          cambium: '0',
        }),
      );
    }
    const subject = subjectOf(await openCheckpoint(checkpoint));
    const settings: TrainingSettings = {
      ...trainingDefaults,
      microBatch: 8,
      contextLength: 256,
      device: 'cpu',
      threads: 2,
      heldOut: 0.05,
      ...more,
    };
    const run = freePath('run');
    const whole = { ...settings, tokens: 4 * settings.microBatch * settings.contextLength * settings.gradAccum };
    await createRun(run, { checkpoint, data: [text], settings: whole, name: 'memory' });
    const told = execFileSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'memory-child.ts'), run],
      { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: freshFolder('home') } },
    );
    const { last, peak } = JSON.parse(told.trim().split('\n').at(-1)!) as { last: unknown; peak: number };
    expect(last, JSON.stringify(last)).toMatchObject({ type: 'stopped', reason: 'finished' });
    const { total } = memoryOf(programsOf(subject, whole, 'cpu'), whole, 'cpu');
    expect(Math.abs(total.likely / peak - 1)).toBeLessThan(tolerance);
  });
});
