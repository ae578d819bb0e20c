/** @file A run's meter on a clock of its own, and the readings of a made nvidia-smi. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { appError } from '../../../src-main/base/errors.ts';
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import { costFile, ratioOf, type CostRecord } from '../../../src-main/cost/record.ts';
import { readGpu, readLine } from '../../../src-main/engine/device/gpu-readings.ts';
import { allowance, openMeter } from '../../../src-main/engine/train/meter.ts';
import { watchPower } from '../../../src-main/engine/device/power.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { measureSpeed } from '../../../src-main/engine/device/speed-test.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collected, newRun, only, quiet, textFile } from '../workbench.ts';

const record: CostRecord = {
  version: 1,
  time: '2026-11-21T08:00:00Z',
  device: 'cpu: Chip × 4',
  kind: 'cpu',
  precision: 'float32',
  price: { value: 3.6, unit: 'hour', source: 'your price', time: '2026-11-21T08:00:00Z' },
  assumptions: assumptionDefaults,
  told: {
    stepSeconds: 0.5,
    plainStepSeconds: 0.5,
    seconds: { low: 1, likely: 2, high: 3 },
    memory: 1e8,
    plainMemory: 1e8,
    watts: 100,
  },
};
const started: Extract<RunEvent, { at: 'started' }> = {
  at: 'started',
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
  at: 'step',
  step,
  loss: 2,
  lr: 1,
  norm: 1,
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
    for (let i = from; i <= step && !meter.reached(); i++) {
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

describe('a meter', () => {
  it('reads every few seconds, tells the pace once it has settled, and keeps what came', async () => {
    const { meter, until, kept } = await metered();
    const events = await until(30);
    const readings = only(events, 'reading');
    const told = only(events, 'measured');
    expect(readings.length).toBeGreaterThan(4);
    expect(readings.length).toBeLessThan(10);
    expect(readings.at(-1)!.seconds).toBeGreaterThan(readings[0]!.seconds);
    expect(readings.at(-1)!.memory).toBeGreaterThan(1e7);
    expect(readings.at(-1)!.money).toBeCloseTo(readings.at(-1)!.seconds / 1000, 9);
    expect(told).toEqual([{ at: 'measured', step: 20, stepSeconds: 1, told: 0.5, secondsLeft: 80 }]);
    expect(await meter.take({ at: 'stopped', step: 30, reason: 'asked', time: '' })).toMatchObject([
      { at: 'reading', step: 30 },
      { at: 'stopped' },
    ]);
    meter.close();
    expect(kept()).toMatchObject({
      ...record,
      came: { steps: 30, tokens: 30 * 512, stepSeconds: 1, seconds: 30 },
    });
  });

  it('tells the time that is left to the end that a run has by then', async () => {
    const { meter, until } = await metered();
    const before = await until(10);
    await meter.take({ at: 'rescheduled', step: 10, steps: 25, time: '' });
    expect(only([...before, ...(await until(25, 11))], 'measured')).toMatchObject([
      { step: 20, secondsLeft: 5 },
    ]);
    meter.close();
  });

  it.each([
    ['budgetMoney', 0.01, 'money', 10],
    ['budgetHours', 12 / 3600, 'hours', 12],
    ['budgetTokens', 512 * 7, 'tokens', 7],
  ] as const)('ends a run whose %s is spent', async (setting, limit, what, at) => {
    const { meter, until } = await metered({ [setting]: limit });
    const events = await until(50);
    meter.close();
    expect(only(events, 'budget')).toMatchObject([{ what, step: at }]);
    expect(only(events, 'step').at(-1)!.step).toBe(at);
  });

  it('grants a spent budget once more when the run goes on', async () => {
    expect([
      allowance(0, 5),
      allowance(undefined, 5),
      allowance(10, 0),
      allowance(10, 6),
      allowance(10, 10),
      allowance(10, 10.4),
    ]).toEqual([Infinity, Infinity, 10, 10, 20, 20]);
    const came = {
      steps: 12,
      tokens: 512 * 12,
      seconds: 12,
      stepSeconds: 1,
      memory: 1,
      energy: null,
      power: null,
      money: 0.012,
      time: '',
    };
    const { meter, until } = await metered({ budgetHours: 12 / 3600 }, { ...record, came });
    const events = await until(60, 13);
    meter.close();
    expect(only(events, 'budget')).toMatchObject([{ what: 'hours', step: 24 }]);
  });

  it('keeps what a sitting spent that computed otherwise than was told, and marks that it teaches nothing', async () => {
    const s = { ...trainingDefaults, tokens: 100 * 2048 };
    const { precision, batch, accumulate, sequence, recompute } = s;
    const shape = { precision, batch, accumulate, sequence, recompute };
    const sat = async (
      settings: Partial<TrainingSettings>,
      kept: CostRecord,
      first?: RunEvent,
    ): Promise<CostRecord> => {
      const { meter, until, kept: now } = await metered(settings, kept, first);
      await until(25);
      await meter.take({ at: 'stopped', step: 25, reason: 'asked', time: '' });
      meter.close();
      return now();
    };
    const alike = await sat({}, { ...record, shape });
    const others = await Promise.all([
      sat({ batch: 4, accumulate: 2 }, { ...record, shape }),
      sat({ recompute: 'full' }, { ...record, shape }),
      sat({ precision: 'bfloat16' }, record),
      sat({}, { ...record, shape }, { ...started, device: 'webgpu' }),
    ]);
    expect([alike.came!.unlike, ratioOf('r', alike)]).toMatchObject([undefined, { time: 2 }]);
    for (const other of [...others, await sat({}, { ...others[0]!, shape })]) {
      expect(other.came).toMatchObject({ unlike: true, steps: 25 });
      expect(other.came!.seconds).toBeGreaterThanOrEqual(25);
      expect(ratioOf('r', other)).toBeUndefined();
    }
  });

  it.each(['webgpu', 'cuda'] as const)(
    'takes nothing of this process for what a %s that nobody reads holds and does',
    async (device) => {
      vi.stubEnv('PATH', freshFolder()); // no nvidia-smi
      const { meter, until, kept } = await metered({}, { ...record, kind: device }, { ...started, device });
      const events = await until(25);
      await meter.take({ at: 'stopped', step: 25, reason: 'asked', time: '' });
      meter.close();
      for (const reading of only(events, 'reading'))
        expect(reading).toMatchObject({ memory: null, utilisation: null });
      expect(kept().came!.memory).toBe(0);
      expect(ratioOf('r', kept())).toMatchObject({ memory: null });
    },
  );

  it('knows of no energy and no price of it after a sitting that nobody told of', async () => {
    const came = {
      steps: 12,
      tokens: 1,
      seconds: 12,
      stepSeconds: 1,
      memory: 1,
      energy: null,
      power: null,
      money: null,
      time: '',
    };
    const { meter, until, kept } = await metered(
      {},
      { ...record, told: null, price: { ...record.price!, unit: 'kWh' }, came },
    );
    const events = await until(25, 13);
    await meter.take({ at: 'stopped', step: 25, reason: 'asked', time: '' });
    meter.close();
    expect(only(events, 'reading')[0]).toMatchObject({ energy: null, power: null, money: null });
    expect([meter.joules(), kept().came]).toMatchObject([null, { energy: null, money: null }]);
  });

  it('needs no record: it reads and tells, and writes nothing', async () => {
    const { meter, until } = await metered({}, null);
    const events = await until(25);
    meter.close();
    expect(only(events, 'measured')).toMatchObject([{ told: null }]);
    expect(only(events, 'reading')[0]).toMatchObject({ money: null, energy: null, power: null });
  });
});

describe('power', () => {
  it('reads the lines of nvidia-smi, and what a card does not say as unknown', () => {
    expect(readLine('312.45, 98, 40536, 61')).toEqual({
      watts: 312.45,
      utilisation: 0.98,
      memory: 40536 * 2 ** 20,
      temperature: 61,
    });
    expect(readLine('[N/A], 12, 100, [N/A]')).toEqual({
      watts: null,
      utilisation: 0.12,
      memory: 100 * 2 ** 20,
      temperature: null,
    });
    expect(readLine('No devices were found')).toBeUndefined();
  });

  it('adds up a made GPU\u2019s watts over the time between its lines', async () => {
    const smi = join(freshFolder(), 'smi');
    writeFileSync(
      smi,
      '#!/bin/sh\necho "$@" > "$0.asked"\necho "100.0, 90, 1000, 60"\nsleep 0.05\necho "300.0, 95, 2000, 61"\nsleep 60\n',
    );
    chmodSync(smi, 0o755);
    let at = 0;
    const gpu = readGpu({ command: smi, now: () => (at += 2) });
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
  const dir = await newRun(await makeTinyCheckpoint('llama', { tokenizer: true }), textFile(), {
    tokens: 4000,
    sequence: 8,
    batch: 2,
    budgetTokens: 64,
    saveEvery: 0,
  });
  writeFileSync(join(dir, costFile), JSON.stringify(record));
  const events = await collected(train({ run: dir }, quiet));
  expect(events.at(-1)).toMatchObject({ at: 'stopped', reason: 'asked', step: 4 });
  expect(only(events, 'budget')).toMatchObject([{ what: 'tokens', step: 4, spent: 64 }]);
  expect(only(events, 'saved').at(-1)!.step).toBe(4);
  expect(only(events, 'reading').length).toBeGreaterThan(0);
  expect((JSON.parse(readFileSync(join(dir, costFile), 'utf8')) as CostRecord).came).toMatchObject({
    steps: 4,
    tokens: 64,
  });
});

/** A run whose steps fail after so many. */
async function failing(after: number, kept: unknown): Promise<string> {
  const dir = await newRun(await makeTinyCheckpoint('llama', { tokenizer: true }), textFile(), {
    tokens: 4000,
    sequence: 8,
    batch: 2,
    saveEvery: 0,
  });
  const whole = Training.prototype.step;
  let calls = 0;
  vi.spyOn(Training.prototype, 'step').mockImplementation(function (this: Training, ...given) {
    return ++calls > after
      ? Promise.reject(appError('engine/out-of-memory', { device: 'cpu', detail: 'x' }))
      : whole.apply(this, given);
  });
  writeFileSync(join(dir, costFile), JSON.stringify(kept));
  return dir;
}

it('a run that fails has spent what it spent, and its own error is the last word', async () => {
  const dir = await failing(7, record);
  const events = await collected(train({ run: dir }, quiet));
  const file = join(dir, costFile);
  expect(events.at(-2)).toMatchObject({ at: 'reading', step: 7 });
  expect(events.at(-1)).toMatchObject({
    at: 'stopped',
    reason: 'failed',
    step: 7,
    error: { code: 'engine/out-of-memory' },
  });
  const { came } = JSON.parse(readFileSync(file, 'utf8')) as CostRecord;
  expect(came).toMatchObject({ steps: 7, tokens: 7 * 16 });
  expect(came!.seconds).toBeGreaterThan(0);
  let last: RunEvent | undefined;
  for await (const event of train({ run: dir }, quiet)) {
    last = event;
    if (event.at === 'started') {
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
      expect((await collected(train({ run: dir }, quiet))).at(-1)).toMatchObject({
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
