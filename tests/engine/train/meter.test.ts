import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import { costFile, ratioOf, type CostRecord } from '../../../src-main/cost/record.ts';
import { watchGpu, parseReading } from '../../../src-main/engine/device/gpu-readings.ts';
import { budgetEnd, openMeter } from '../../../src-main/engine/train/meter.ts';
import { watchPower } from '../../../src-main/engine/device/power.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { measureSpeed } from '../../../src-main/engine/device/speed-test.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, createTestRun, eventsOfType, neverAborted, createTextFile } from '../workbench.ts';

const record: CostRecord = {
  version: 2,
  time: '2026-11-21T08:00:00Z',
  device: 'cpu: Chip × 4',
  kind: 'cpu',
  precision: 'float32',
  price: { value: 3.6, unit: 'hour', source: 'your price', time: '2026-11-21T08:00:00Z' },
  assumptions: assumptionDefaults,
  estimate: {
    stepSeconds: 0.5,
    uncorrectedStepSeconds: 0.5,
    seconds: { low: 1, likely: 2, high: 3 },
    memory: 1e8,
    uncorrectedMemory: 1e8,
    watts: 100,
  },
};
const started: Extract<RunEvent, { type: 'started' }> = {
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
const stepped = (step: number, seconds = 1): RunEvent => ({
  type: 'step',
  step,
  loss: 2,
  lr: 1,
  gradNorm: 1,
  tokens: 512 * step,
  seconds,
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** A meter whose clock each step moves by a second. */
async function metered(
  settings: Partial<TrainingSettings> = {},
  kept: CostRecord | null = record,
  first: RunEvent = started,
) {
  const dir = freshFolder('run');
  const clock = { now: 100 };
  if (kept) writeFileSync(join(dir, costFile), JSON.stringify(kept));
  const meter = await openMeter(
    dir,
    { ...trainingDefaults, tokens: 100 * 2048, ...settings },
    () => clock.now,
  );
  await meter.take(first);
  const until = async (step: number, from = 1): Promise<RunEvent[]> => {
    const events: RunEvent[] = [];
    for (let i = from; i <= step && !meter.isBudgetSpent(); i++) {
      clock.now += 1;
      events.push(...(await meter.take(stepped(i))));
    }
    return events;
  };
  return {
    dir,
    meter,
    until,
    kept: () => JSON.parse(readFileSync(join(dir, costFile), 'utf8')) as CostRecord,
  };
}

describe('openMeter', () => {
  it('reports usage every few seconds and the pace once, and keeps the actual figures', async () => {
    const { meter, until, kept } = await metered();
    const events = await until(30);
    const readings = eventsOfType(events, 'usage');
    const told = eventsOfType(events, 'measured');
    expect(readings.length).toBeGreaterThan(4);
    expect(readings.length).toBeLessThan(10);
    expect(readings.at(-1)!.seconds).toBeGreaterThan(readings[0]!.seconds);
    expect(readings.at(-1)!.memory).toBeGreaterThan(1e7);
    expect(readings.at(-1)!.cost).toBeCloseTo(readings.at(-1)!.seconds / 1000, 9);
    expect(told).toEqual([{ type: 'measured', step: 20, stepSeconds: 1, estimated: 0.5, secondsLeft: 80 }]);
    expect(await meter.take({ type: 'stopped', step: 30, reason: 'requested', time: '' })).toMatchObject([
      { type: 'usage', step: 30 },
      { type: 'stopped' },
    ]);
    meter.close();
    expect(kept()).toMatchObject({
      ...record,
      actual: { steps: 30, tokens: 30 * 512, stepSeconds: 1, seconds: 30 },
    });
  });

  it('computes the time left from the rescheduled number of steps', async () => {
    const { meter, until } = await metered();
    const before = await until(10);
    await meter.take({ type: 'rescheduled', step: 10, steps: 25, time: '' });
    expect(eventsOfType([...before, ...(await until(25, 11))], 'measured')).toMatchObject([
      { step: 20, secondsLeft: 5 },
    ]);
    meter.close();
  });

  it.each([
    ['budgetCost', 0.01, 'cost', 10],
    ['budgetHours', 12 / 3600, 'hours', 12],
    ['budgetTokens', 512 * 7, 'tokens', 7],
  ] as const)('stops the run when %s is spent', async (setting, limit, what, at) => {
    const { meter, until } = await metered({ [setting]: limit });
    const events = await until(50);
    meter.close();
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what, step: at }]);
    expect(eventsOfType(events, 'step').at(-1)!.step).toBe(at);
  });

  it('grants a spent budget again when the run resumes', async () => {
    expect([
      budgetEnd(0, 5),
      budgetEnd(10, 0),
      budgetEnd(10, 6),
      budgetEnd(10, 10),
      budgetEnd(10, 10.4),
    ]).toEqual([Infinity, 10, 10, 20, 20]);
    const actual = {
      steps: 12,
      tokens: 512 * 12,
      seconds: 12,
      stepSeconds: 1,
      memory: 1,
      energy: null,
      powerSource: null,
      cost: 0.012,
      time: '',
    };
    const { meter, until } = await metered({ budgetHours: 12 / 3600 }, { ...record, actual });
    const events = await until(60, 13);
    meter.close();
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what: 'hours', step: 24 }]);
  });

  it('keeps the cost of a session with other settings, and marks it as unusable for calibration', async () => {
    const s = { ...trainingDefaults, tokens: 100 * 2048 };
    const { precision, microBatch, gradAccum, contextLength, activationCheckpointing } = s;
    const shape = { precision, microBatch, gradAccum, contextLength, activationCheckpointing };
    const sat = async (
      settings: Partial<TrainingSettings>,
      kept: CostRecord,
      first?: RunEvent,
    ): Promise<CostRecord> => {
      const { meter, until, kept: now } = await metered(settings, kept, first);
      await until(25);
      await meter.take({ type: 'stopped', step: 25, reason: 'requested', time: '' });
      meter.close();
      return now();
    };
    const alike = await sat({}, { ...record, shape });
    const others = await Promise.all([
      sat({ microBatch: 4, gradAccum: 2 }, { ...record, shape }),
      sat({ activationCheckpointing: 'full' }, { ...record, shape }),
      sat({ precision: 'bfloat16' }, record),
      sat({}, { ...record, shape }, { ...started, device: 'webgpu' }),
    ]);
    expect([alike.actual!.hasOtherSettings, ratioOf('r', alike)]).toMatchObject([undefined, { time: 2 }]);
    for (const other of [...others, await sat({}, { ...others[0]!, shape })]) {
      expect(other.actual).toMatchObject({ hasOtherSettings: true, steps: 25 });
      expect(other.actual!.seconds).toBeGreaterThanOrEqual(25);
      expect(ratioOf('r', other)).toBeUndefined();
    }
  });

  it.each(['webgpu', 'cuda'] as const)(
    'does not take the figures of this process for those of a %s without readings',
    async (device) => {
      vi.stubEnv('PATH', freshFolder()); // no nvidia-smi
      const { meter, until, kept } = await metered({}, { ...record, kind: device }, { ...started, device });
      const events = await until(25);
      await meter.take({ type: 'stopped', step: 25, reason: 'requested', time: '' });
      meter.close();
      for (const reading of eventsOfType(events, 'usage'))
        expect(reading).toMatchObject({ memory: null, utilisation: null });
      expect(kept().actual!.memory).toBe(0);
      expect(ratioOf('r', kept())).toMatchObject({ memory: null });
    },
  );

  it('reports energy and cost as unknown after a session without power readings', async () => {
    const actual = {
      steps: 12,
      tokens: 1,
      seconds: 12,
      stepSeconds: 1,
      memory: 1,
      energy: null,
      powerSource: null,
      cost: null,
      time: '',
    };
    const { meter, until, kept } = await metered(
      {},
      { ...record, estimate: null, price: { ...record.price!, unit: 'kWh' }, actual },
    );
    const events = await until(25, 13);
    await meter.take({ type: 'stopped', step: 25, reason: 'requested', time: '' });
    meter.close();
    expect(eventsOfType(events, 'usage')[0]).toMatchObject({ energy: null, powerSource: null, cost: null });
    expect([meter.joules(), kept().actual]).toMatchObject([null, { energy: null, cost: null }]);
  });

  it('works without a record and writes none', async () => {
    const { meter, until } = await metered({}, null);
    const events = await until(25);
    meter.close();
    expect(eventsOfType(events, 'measured')).toMatchObject([{ estimated: null }]);
    expect(eventsOfType(events, 'usage')[0]).toMatchObject({ cost: null, energy: null, powerSource: null });
  });
});

describe('power', () => {
  it('reads the lines of nvidia-smi, and what a card does not say as unknown', () => {
    expect(parseReading('312.45, 98, 40536, 61')).toEqual({
      watts: 312.45,
      utilisation: 0.98,
      memory: 40536 * 2 ** 20,
      temperature: 61,
    });
    expect(parseReading('[N/A], 12, 100, [N/A]')).toEqual({
      watts: null,
      utilisation: 0.12,
      memory: 100 * 2 ** 20,
      temperature: null,
    });
    expect(parseReading('No devices were found')).toBeUndefined();
  });

  it('adds up a made GPU\u2019s watts over the time between its lines', async () => {
    const smi = join(freshFolder(), 'smi');
    writeFileSync(
      smi,
      '#!/bin/sh\necho "$@" > "$0.asked"\necho "100.0, 90, 1000, 60"\nsleep 0.05\necho "300.0, 95, 2000, 61"\nsleep 60\n',
    );
    chmodSync(smi, 0o755);
    let at = 0;
    const gpu = watchGpu({ command: smi, now: () => (at += 2) });
    await expect.poll(() => gpu.joules(), { timeout: 20_000 }).toBe(400);
    expect(gpu.newest()).toMatchObject({ watts: 300, temperature: 61 });
    expect(readFileSync(`${smi}.asked`, 'utf8')).toContain('--query-gpu=power.draw');
    gpu.close();
  });

  it.each([
    [undefined, '0'],
    ['', '0'],
    ['2,0', '2'],
    [' GPU-8932f937-d72c , 1', 'GPU-8932f937-d72c'],
  ])('of a GPU is that of the first that is visible (%s)', async (visible, id) => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', visible);
    const smi = join(freshFolder(), 'smi');
    writeFileSync(smi, '#!/bin/sh\necho "$@" > "$0.asked"\necho "100.0, 90, 1000, 60"\nsleep 60\n');
    chmodSync(smi, 0o755);
    const power = await watchPower('cuda', undefined, { smi });
    await expect.poll(() => power.newest(), { timeout: 20_000 }).toMatchObject({ watts: 100 });
    expect(readFileSync(`${smi}.asked`, 'utf8')).toContain(` -i ${id} `);
    power.close();
  });

  it('without nvidia-smi stays unknown, or assumed, and stops nothing', async () => {
    const none = await watchPower('cuda', undefined, { smi: '/nowhere/nvidia-smi' });
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    expect([none.source(), await none.joules(), none.newest()]).toEqual([null, null, undefined]);
    none.close();
    const assumed = await watchPower('cuda', 100, { smi: '/nowhere/nvidia-smi' });
    expect([assumed.source(), (await assumed.joules())! >= 0]).toEqual(['assumed', true]);
    assumed.close();
  });

  it('reads the counters of all packages of the processor where there are any, over their wrap too', async () => {
    const folder = freshFolder();
    const zone = (n: number, name: string) => {
      const dir = join(folder, `intel-rapl:${n}`);
      mkdirSync(dir);
      writeFileSync(join(dir, 'name'), `${name}\n`);
      writeFileSync(join(dir, 'max_energy_range_uj'), '1000000000\n');
      return (joules: number): void => {
        writeFileSync(join(dir, 'energy_uj'), `${joules * 1e6}\n`);
      };
    };
    const first = zone(0, 'package-0');
    const whole = zone(1, 'psys');
    const second = zone(2, 'package-1');
    first(990);
    whole(0);
    second(100);
    const power = await watchPower('cpu', 50, { folder });
    first(998);
    whole(500);
    expect(await power.joules()).toBeCloseTo(8, 6);
    first(5);
    second(120);
    expect(await power.joules()).toBeCloseTo(35, 6);
    expect(power.source()).toBe('rapl');
    rmSync(join(folder, 'intel-rapl:2', 'energy_uj'));
    expect((await watchPower('cpu', 50, { folder })).source()).toBe('assumed');
    expect((await watchPower('cpu', 50, { folder: '/nowhere' })).source()).toBe('assumed');
  });
});

it('a run tells its readings in its file, and stops saved when its budget is spent', async () => {
  const dir = await createTestRun(await makeTinyCheckpoint('llama', { tokenizer: true }), createTextFile(), {
    tokens: 4000,
    contextLength: 8,
    microBatch: 2,
    budgetTokens: 64,
    saveEvery: 0,
  });
  writeFileSync(join(dir, costFile), JSON.stringify(record));
  const events = await collect(train({ run: dir }, neverAborted));
  expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested', step: 4 });
  expect(eventsOfType(events, 'budget')).toMatchObject([{ what: 'tokens', step: 4, spent: 64 }]);
  expect(eventsOfType(events, 'saved').at(-1)!.step).toBe(4);
  expect(eventsOfType(events, 'usage').length).toBeGreaterThan(0);
  expect((JSON.parse(readFileSync(join(dir, costFile), 'utf8')) as CostRecord).actual).toMatchObject({
    steps: 4,
    tokens: 64,
  });
});

/** A run whose steps fail after so many. */
async function failing(after: number, kept: unknown): Promise<string> {
  const dir = await createTestRun(await makeTinyCheckpoint('llama', { tokenizer: true }), createTextFile(), {
    tokens: 4000,
    contextLength: 8,
    microBatch: 2,
    saveEvery: 0,
  });
  const whole = Training.prototype.step;
  let calls = 0;
  vi.spyOn(Training.prototype, 'step').mockImplementation(function (this: Training, ...given) {
    return ++calls > after
      ? Promise.reject(createError('engine/out-of-memory', { device: 'cpu', detail: 'x' }))
      : whole.apply(this, given);
  });
  writeFileSync(join(dir, costFile), JSON.stringify(kept));
  return dir;
}

it('a run that fails has spent what it spent, and its own error is the last word', async () => {
  const dir = await failing(7, record);
  const events = await collect(train({ run: dir }, neverAborted));
  const file = join(dir, costFile);
  expect(events.at(-2)).toMatchObject({ type: 'usage', step: 7 });
  expect(events.at(-1)).toMatchObject({
    type: 'stopped',
    reason: 'failed',
    step: 7,
    error: { code: 'engine/out-of-memory' },
  });
  const { actual } = JSON.parse(readFileSync(file, 'utf8')) as CostRecord;
  expect(actual).toMatchObject({ steps: 7, tokens: 7 * 16 });
  expect(actual!.seconds).toBeGreaterThan(0);
  let last: RunEvent | undefined;
  for await (const event of train({ run: dir }, neverAborted)) {
    last = event;
    if (event.type === 'started') {
      rmSync(file);
      mkdirSync(file);
    } // where no record can be written
  }
  expect(last).toMatchObject({ reason: 'failed', error: { code: 'engine/out-of-memory' } });
});

it.each([{}, { version: 1 }, { version: 1, assumptions: null }, [], null])(
  'a record that is none (%j) keeps no run from training, now or later',
  async (kept) => {
    const dir = await failing(3, kept);
    for (let i = 0; i < 2; i++)
      expect((await collect(train({ run: dir }, neverAborted))).at(-1)).toMatchObject({
        reason: 'failed',
        error: { code: 'engine/out-of-memory' },
      });
    expect(JSON.parse(readFileSync(join(dir, costFile), 'utf8'))).toEqual(kept);
  },
);

it('measures the processor', async () => {
  const device = await openDevice('cpu');
  try {
    const m = await measureSpeed(device, 0.02);
    for (const rate of [m.product, m.stream, m.functions, m.nodeSeconds]) expect(rate).toBeGreaterThan(0);
    expect(m.product).toBeGreaterThan(m.functions);
    expect(m.slack).toBeGreaterThanOrEqual(0);
  } finally {
    await device.dispose();
  }
});
