/** @file The meter of a run on a clock that each step advances by one second. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { costFile, ratioOf, type CostRecord } from '../../../src-main/cost/record.ts';
import { budgetEnd, openMeter, type Meter } from '../../../src-main/engine/train/meter.ts';
import type { RunEvent, StartedEvent, UsageEvent } from '../../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { eventsOfType } from '../workbench.ts';
import { estimatedRecord } from './estimated-record.ts';

const tokensPerStep = 512;

const started: StartedEvent = {
  type: 'started',
  step: 0,
  device: 'cpu',
  deviceName: 'Chip',
  parameters: 1,
  steps: 100,
  trainTokens: 1,
  heldOutTokens: 0,
  time: '',
};
const stepEvent = (step: number): RunEvent => ({
  type: 'step',
  step,
  loss: 2,
  lr: 1,
  gradNorm: 1,
  tokens: tokensPerStep * step,
  seconds: 1,
});
const stoppedAt = (step: number): RunEvent => ({ type: 'stopped', step, reason: 'requested', time: '' });

/** The actual figures of an earlier session of 12 steps. */
const earlierSession = {
  steps: 12,
  tokens: tokensPerStep * 12,
  seconds: 12,
  stepSeconds: 1,
  memory: 1,
  energy: null,
  powerSource: null,
  cost: 0.012,
  time: '',
} as const;

afterEach(() => {
  vi.unstubAllEnvs();
});

interface MeteredRun {
  readonly meter: Meter;
  /** Takes the steps from `from` (default: 1) to `to`, or until a budget is spent. Returns the events. */
  takeSteps(to: number, from?: number): Promise<readonly RunEvent[]>;
  hasRecord(): boolean;
  readRecord(): CostRecord;
}

/** Opens a meter in a new folder, with an estimate.json if `record` is not null, and starts it. */
async function startMeter(
  settings: Partial<TrainingSettings> = {},
  record: CostRecord | null = estimatedRecord,
  start: StartedEvent = started,
): Promise<MeteredRun> {
  const file = join(freshFolder('run'), costFile);
  if (record) writeFileSync(file, JSON.stringify(record));
  let seconds = 100;
  const allSettings = { ...trainingDefaults, tokens: 100 * 2048, ...settings };
  const meter = await openMeter(join(file, '..'), allSettings, () => seconds);
  await meter.take(start);
  return {
    meter,
    async takeSteps(to, from = 1) {
      const events: RunEvent[] = [];
      for (let step = from; step <= to && !meter.isBudgetSpent(); step++) {
        seconds += 1;
        events.push(...(await meter.take(stepEvent(step))));
      }
      return events;
    },
    hasRecord: () => existsSync(file),
    readRecord: () => JSON.parse(readFileSync(file, 'utf8')) as CostRecord,
  };
}

describe('the meter', () => {
  it('reports usage every few seconds', async () => {
    const { meter, takeSteps } = await startMeter();
    const usage = eventsOfType(await takeSteps(30), 'usage');
    const first = usage[0]!;
    const last = usage.at(-1)!;
    expect(usage.length).toBeGreaterThan(4);
    expect(usage.length).toBeLessThan(10);
    expect(last.seconds).toBeGreaterThan(first.seconds);
    expect(last.memory).toBeGreaterThan(1e7);
    expect(last.cost).toBeCloseTo(last.seconds / 1000, 9);
    expect(await meter.take(stoppedAt(30))).toMatchObject([{ type: 'usage', step: 30 }, { type: 'stopped' }]);
    meter.close();
  });

  it('reports the measured duration of a step once', async () => {
    const { meter, takeSteps } = await startMeter();
    expect(eventsOfType(await takeSteps(30), 'measured')).toEqual([
      { type: 'measured', step: 20, stepSeconds: 1, estimated: 0.5, secondsLeft: 80 },
    ]);
    meter.close();
  });

  it('writes the actual figures into estimate.json', async () => {
    const { meter, takeSteps, readRecord } = await startMeter();
    await takeSteps(30);
    await meter.take(stoppedAt(30));
    meter.close();
    expect(readRecord()).toMatchObject({
      ...estimatedRecord,
      actual: { steps: 30, tokens: 30 * tokensPerStep, stepSeconds: 1, seconds: 30 },
    });
  });

  it('computes the time left from the rescheduled number of steps', async () => {
    const { meter, takeSteps } = await startMeter();
    const before = await takeSteps(10);
    await meter.take({ type: 'rescheduled', step: 10, steps: 25, time: '' });
    const events = [...before, ...(await takeSteps(25, 11))];
    expect(eventsOfType(events, 'measured')).toMatchObject([{ step: 20, secondsLeft: 5 }]);
    meter.close();
  });

  it('works without estimate.json and writes none', async () => {
    const { meter, takeSteps, hasRecord } = await startMeter({}, null);
    const events = await takeSteps(25);
    await meter.take(stoppedAt(25));
    meter.close();
    expect(eventsOfType(events, 'measured')).toMatchObject([{ estimated: null }]);
    expect(eventsOfType(events, 'usage')[0]).toMatchObject({ cost: null, energy: null, powerSource: null });
    expect(hasRecord()).toBe(false);
  });

  it.each(['webgpu', 'cuda'] as const)(
    'does not take the figures of this process for those of %s without readings',
    async (device) => {
      // Without nvidia-smi.
      vi.stubEnv('PATH', freshFolder());
      const record = { ...estimatedRecord, kind: device };
      const { meter, takeSteps, readRecord } = await startMeter({}, record, { ...started, device });
      const events = await takeSteps(25);
      await meter.take(stoppedAt(25));
      meter.close();
      for (const usage of eventsOfType(events, 'usage'))
        expect(usage).toMatchObject({ memory: null, utilisation: null });
      expect(readRecord().actual!.memory).toBe(0);
      expect(ratioOf('r', readRecord())).toMatchObject({ memory: null });
    },
  );

  it('reports energy and cost as unknown after a session without power readings', async () => {
    const record: CostRecord = {
      ...estimatedRecord,
      estimate: null,
      price: { ...estimatedRecord.price!, unit: 'kWh' },
      actual: { ...earlierSession, tokens: 1, cost: null },
    };
    const { meter, takeSteps, readRecord } = await startMeter({}, record);
    const events = await takeSteps(25, 13);
    await meter.take(stoppedAt(25));
    meter.close();
    const unknown: Partial<UsageEvent> = { energy: null, powerSource: null, cost: null };
    expect(eventsOfType(events, 'usage')[0]).toMatchObject(unknown);
    expect(meter.joules()).toBe(null);
    expect(readRecord().actual).toMatchObject({ energy: null, cost: null });
  });
});

describe('a budget', () => {
  it.each([
    ['budgetCost', 0.01, 'cost', 10],
    ['budgetHours', 12 / 3600, 'hours', 12],
    ['budgetTokens', tokensPerStep * 7, 'tokens', 7],
  ] as const)('(%s of %d) stops the run when it is spent', async (setting, limit, what, step) => {
    const { meter, takeSteps } = await startMeter({ [setting]: limit });
    const events = await takeSteps(50);
    meter.close();
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what, step }]);
    expect(eventsOfType(events, 'step').at(-1)!.step).toBe(step);
  });

  it('is granted again when the run resumes after spending it', async () => {
    const record = { ...estimatedRecord, actual: earlierSession };
    const { meter, takeSteps } = await startMeter({ budgetHours: 12 / 3600 }, record);
    const events = await takeSteps(60, 13);
    meter.close();
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what: 'hours', step: 24 }]);
  });

  it.each([
    [0, 5, Infinity],
    [10, 0, 10],
    [10, 6, 10],
    [10, 10, 20],
    [10, 10.4, 20],
  ])('of %d, of which %d is spent, ends at %d', (limit, spent, end) => {
    expect(budgetEnd(limit, spent)).toBe(end);
  });
});

describe('a session with other settings than the estimate', () => {
  const { precision, microBatch, gradAccum, contextLength, activationCheckpointing } = trainingDefaults;
  const shape = { precision, microBatch, gradAccum, contextLength, activationCheckpointing };
  const record: CostRecord = { ...estimatedRecord, shape };

  /** Takes 25 steps and returns estimate.json. */
  async function trainSession(
    settings: Partial<TrainingSettings>,
    before: CostRecord = record,
    start: StartedEvent = started,
  ): Promise<CostRecord> {
    const { meter, takeSteps, readRecord } = await startMeter(settings, before, start);
    await takeSteps(25);
    await meter.take(stoppedAt(25));
    meter.close();
    return readRecord();
  }

  function expectUnusable(after: CostRecord): void {
    expect(after.actual).toMatchObject({ hasOtherSettings: true, steps: 25 });
    expect(after.actual!.seconds).toBeGreaterThanOrEqual(25);
    expect(ratioOf('r', after)).toBeUndefined();
  }

  it.each([
    ['another micro-batch size', { microBatch: 4, gradAccum: 2 }, record, started],
    ['other activation checkpointing', { activationCheckpointing: 'full' }, record, started],
    ['another precision', { precision: 'bfloat16' }, estimatedRecord, started],
    ['another device', {}, record, { ...started, device: 'webgpu' }],
  ] as const)('(%s) keeps its cost and is not used for calibration', async (_, settings, before, start) => {
    expectUnusable(await trainSession(settings, before, start));
  });

  it('makes the run unusable for calibration in later sessions too', async () => {
    const after = await trainSession({ microBatch: 4, gradAccum: 2 });
    expectUnusable(await trainSession({}, { ...after, shape }));
  });

  it('is not confused with a session with the same settings, which is used', async () => {
    const after = await trainSession({});
    expect(after.actual!.hasOtherSettings).toBeUndefined();
    expect(ratioOf('r', after)).toMatchObject({ time: 2 });
  });
});
