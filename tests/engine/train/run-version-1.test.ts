import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseRecord } from '../../../src-main/cost/record.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { historyOf } from '../../../src-main/store/run/history.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { readRun, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { freshFolder } from '../../support/temporary.ts';
import { collect, eventsOfType, neverAborted } from '../workbench.ts';

/** A run written by format version 1: stopped at step 16 of 24, with the losses of the steps that followed. */
const fixture = join(import.meta.dirname, '../../fixtures/run-v1');
const expected = readFileSync(join(fixture, 'losses.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' ').map(Number) as [step: number, loss: number]);

let dir: string;
beforeEach(() => {
  const root = freshFolder('run-v1');
  cpSync(fixture, root, { recursive: true });
  dir = join(root, 'run');
  // The run names its checkpoint and its text by absolute paths.
  const settings = JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as Record<string, unknown>;
  const moved = { ...settings, checkpoint: join(root, 'grown'), data: [join(root, 'text.jsonl')] };
  writeFileSync(join(dir, 'settings.json'), JSON.stringify(moved));
});
const versionOnDisk = (): unknown =>
  (JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as { version: unknown }).version;

describe('a run of format version 1', () => {
  it('opens with the names of version 2', async () => {
    expect((await readRun(dir)).settings).toMatchObject({
      microBatch: 1,
      contextLength: 16,
      gradAccum: 2,
      documentMask: 'on',
      perTensorLr: 'on',
      init: 'checkpoint',
      emaDecay: 0.9,
      averageCheckpoints: 2,
      spikeThreshold: 3,
      budgetTokens: 512,
    });
    expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', step: 16, steps: 24, savedStep: 16 });
    expect(versionOnDisk()).toBe(1);
  });

  it('charts every event', async () => {
    const { events, isComplete } = await historyOf(dir);
    expect(isComplete).toBe(true);
    expect(eventsOfType(events, 'step')).toHaveLength(16);
    expect(eventsOfType(events, 'step')[0]).toMatchObject({ gradNorm: 1.8787143230438232 });
    expect(eventsOfType(events, 'averaged').map((event) => event.weights)).toContain('ema');
    expect(eventsOfType(events, 'usage')[0]).toMatchObject({ powerSource: 'assumed' });
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what: 'tokens', limit: 512 }]);
    expect(eventsOfType(events, 'stopped')).toMatchObject([{ reason: 'requested' }]);
  });

  it('keeps its estimate and its actual figures', () => {
    const record = parseRecord(JSON.parse(readFileSync(join(dir, 'estimate.json'), 'utf8')));
    expect(record).toMatchObject({
      version: 2,
      shape: { microBatch: 1, gradAccum: 2, contextLength: 16 },
      estimate: { stepSeconds: 0.0029216332, uncorrectedStepSeconds: 0.0029216332 },
      actual: { steps: 16, powerSource: 'assumed', cost: 1.977613132e-7 },
    });
  });

  it('resumes with the losses that it had before the format changed, and becomes version 2', async () => {
    const resumed = await collect(train({ run: dir }, neverAborted));
    const steps = eventsOfType(resumed, 'step');
    expect(steps.map((event) => event.step)).toEqual(expected.map(([step]) => step));
    // The gradient norm is summed by bucket, and buckets have changed since: the last digit may differ.
    for (const [i, { loss }] of steps.entries())
      expect(Math.abs(loss / expected[i]![1]! - 1)).toBeLessThan(1e-6);
    expect(resumed.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 24 });
    expect(versionOnDisk()).toBe(2);
    const lines = readFileSync(join(dir, 'events.jsonl'), 'utf8').trim().split('\n');
    expect(lines.every((line) => 'type' in (JSON.parse(line) as object))).toBe(true);
    expect(eventsOfType(await readEvents(dir), 'step')).toHaveLength(24);
  });

  it('exports', async () => {
    const out = join(freshFolder('export'), 'out');
    const options = { run: dir, out, dtype: 'keep', weights: 'raw', format: 'safetensors' } as const;
    await collect(exportRun(options as never, neverAborted));
    expect(readdirSync(out)).toContain('model.safetensors');
  });
});
