import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { factsOf } from '../../src-main/cost/book.ts';
import * as fit from '../../src-main/cost/fit.ts';
import { costFile, type CostRecord } from '../../src-main/cost/record.ts';
import { deviceBook } from '../../src-main/contract/cost.ts';
import { createSavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import { growthRecordFile, formatRecord } from '../../src-main/model/records.ts';
import { createCosts, type Costs } from '../../src-main/service/cost.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { writeSelfTest } from '../../src-main/store/gpu/kernel-cache.ts';
import { openHome, type Home } from '../../src-main/store/home/home.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { freePath, freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { noTunnel, root, testEnvironment } from '../support/test-service.ts';

const cores = vi.hoisted(() => ({ physical: 2 }));
vi.mock('../../src-main/cost/fit.ts', { spy: true });
vi.mock('../../src-main/store/fs/cores.ts', () => ({ countPhysicalCores: () => cores.physical }));

const resources = join(root, 'resources');
const settings = { ...trainingDefaults, microBatch: 2, contextLength: 16, tokens: 3200 };
const doubleFfn = { method: 'hypercloning', to: { ffn: 48 }, options: {}, seed: 0, dtype: 'keep' } as const;

interface TestCosts {
  readonly costs: Costs;
  readonly home: Home;
  /** A tiny checkpoint. */
  readonly dir: string;
}

const names = { cpu: 'Intel(R) Xeon(R) Processor', cuda: 'NVIDIA H200' };

async function createTestCosts({
  homeDir = freshFolder('home'),
  resourcesDir = resources,
  memory = 16e9,
  kind = 'cpu' as 'cpu' | 'cuda',
} = {}): Promise<TestCosts> {
  const home = openHome(homeDir);
  const dir = await makeTinyCheckpoint('llama');
  const dependencies = {
    home,
    processes: fakeProcesses({ behavior: () => 'obey', stepMs: 1 }),
    tunnel: noTunnel,
    environment: { ...testEnvironment, resources: resourcesDir },
  };
  const device = { id: kind, name: names[kind], available: true, memory, free: 8e9 } as const;
  return { costs: createCosts(dependencies, () => Promise.resolve([device])), home, dir };
}

/** Creates a run with a cost record; returns its folder. */
async function createTestRun(
  { costs, dir }: TestCosts,
  training: TrainingSettings = settings,
): Promise<string> {
  const run = freePath('run');
  await createRun(run, { checkpoint: dir, data: [], settings: training, name: 'r' });
  await costs.recordEstimate(run, { checkpoint: dir, data: [dir], settings: training });
  return run;
}

describe('the estimate of a GPU', () => {
  it('counts the kernels of our own that passed the newest self-test on it', async () => {
    const { costs, home, dir } = await createTestCosts({ kind: 'cuda', memory: 141e9 });
    const training = { ...settings, contextLength: 512, precision: 'bfloat16', device: 'cuda' } as const;
    const memoryWith = async (kernels: 'auto' | 'off' = 'auto'): Promise<number> => {
      const { here } = await costs.estimate({ dir, training: { ...training, kernels } });
      return here[0]!.memory.total.likely;
    };
    const test = (device: string, result: string | null): Promise<void> =>
      writeSelfTest(home.dir, `${device} ${result}`, {
        device,
        precision: 'bfloat16',
        results: { gate: result, loss: result },
      });
    const without = await memoryWith();
    await test('another GPU', null);
    await test(names.cuda, 'output 0 is 9.1 times the tolerance away');
    expect(await memoryWith()).toBe(without);
    await test(names.cuda, null);
    // The gate's activation and the softmax over the vocabulary are not kept.
    expect(await memoryWith()).toBeLessThan(without);
    expect(await memoryWith('off')).toBe(without);
  });
});

describe('the device book', () => {
  const book = deviceBook.parse(JSON.parse(readFileSync(join(resources, 'devices.json'), 'utf8')));
  it.each([
    ['NVIDIA H200', 'h200'],
    ['NVIDIA H100 80GB HBM3', 'h100-sxm'],
    ['NVIDIA H100 PCIe', 'h100-pcie'],
    ['NVIDIA A100-SXM4-40GB', 'a100-40gb'],
    ['NVIDIA A100-SXM4-80GB', 'a100-80gb'],
    ['Tesla T4', 't4'],
    ['NVIDIA GeForce RTX 4090', 'rtx-4090'],
    ['NVIDIA RTX PRO 6000 Blackwell Server Edition', 'rtx-pro-6000'],
    ['NVIDIA L40S', 'l40s'],
    ['NVIDIA L4', 'l4'],
    ['NVIDIA GH200 480GB', undefined],
    ['Made-up 9000', undefined],
  ])('lists %s as %s', (name, id) => {
    expect(factsOf(book, name)?.id).toBe(id);
  });

  it('has unique ids and a source for every device and price', () => {
    expect(new Set(book.devices.map((d) => d.id)).size).toBe(book.devices.length);
    for (const { source } of [...book.devices, ...book.prices]) expect(source.length).toBeGreaterThan(10);
  });

  it('is refused if a price names an unknown device, or a peak is negative', () => {
    const prices = [{ ...book.prices[0], device: 'nowhere' }];
    expect(deviceBook.safeParse({ ...book, prices }).success).toBe(false);
    const devices = [{ ...book.devices[0], peaks: { float32: -1 } }];
    expect(deviceBook.safeParse({ ...book, devices }).success).toBe(false);
  });

  it('is read again after it could not be read', async () => {
    const resourcesDir = freshFolder('resources');
    const { costs } = await createTestCosts({ resourcesDir });
    await expectAppError('file/not-found', () => costs.facts());
    cpSync(join(resources, 'devices.json'), join(resourcesDir, 'devices.json'));
    expect((await costs.facts()).book.devices.length).toBeGreaterThan(0);
  });
});

describe('assumptions', () => {
  it('are stored if they are valid', async () => {
    const { costs, home } = await createTestCosts();
    expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
    await costs.setAssumptions({ tariff: 0.5 });
    await costs.setAssumptions({ load: 0.6 });
    expect((await costs.facts()).assumptions).toEqual({ ...assumptionDefaults, tariff: 0.5, load: 0.6 });
    writeFileSync(join(home.dir, 'costs.json'), '{"assumptions":{"tariff":-4},"measured":{}}');
    expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
  });

  it('keep their valid entries if other entries are invalid', async () => {
    const { costs, home } = await createTestCosts();
    const file = join(home.dir, 'costs.json');
    const { device, measured } = await costs.measure('cpu');
    await costs.setAssumptions({ load: 0.6 });
    writeFileSync(
      file,
      JSON.stringify({
        assumptions: { load: 0.6, tariff: -4, odd: 1, constructor: 2 },
        measured: { [device]: measured, other: { product: 'fast' } },
      }),
    );
    await costs.setAssumptions({ carbon: 100 });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      assumptions: { load: 0.6, carbon: 100 },
      measured: { [device]: measured },
    });
    await Promise.all([
      costs.setAssumptions({ tariff: 0.5 }),
      costs.measure('cpu'),
      costs.setAssumptions({ load: 0.7 }),
    ]);
    expect((await costs.facts()).assumptions).toMatchObject({ tariff: 0.5, load: 0.7, carbon: 100 });
  });

  it.each(['{"assumptions":', '[]'])(
    'are the defaults if the file is %s, which is set aside',
    async (bad) => {
      const { costs, home } = await createTestCosts();
      writeFileSync(join(home.dir, 'costs.json'), bad);
      expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
      await costs.setAssumptions({ load: 0.6 });
      const [setAside] = readdirSync(home.dir).filter((name) => name.startsWith('costs.json.damaged-'));
      expect(readFileSync(join(home.dir, setAside!), 'utf8')).toBe(bad);
    },
  );

  it('create the home folder only when they are stored', async () => {
    const { costs, home } = await createTestCosts({ homeDir: freePath('home') });
    expect((await costs.facts()).free).toBeGreaterThan(0);
    expect(existsSync(home.dir)).toBe(false);
    await costs.setAssumptions({ load: 0.6 });
    expect(readdirSync(home.dir)).toEqual(['costs.json']);
  });
});

describe('estimates', () => {
  it('use the rates that an engine measured', async () => {
    const { costs, dir } = await createTestCosts();
    const before = await costs.estimate({ dir, training: settings });
    const { device, measured } = await costs.measure('cpu');
    const { targets } = await costs.facts();
    expect(targets[0]).toMatchObject({ id: device, measured });
    const after = await costs.estimate({ dir, training: settings });
    expect(before.here[0]!.basis).toMatch(/utilisation/);
    expect(after.here[0]!.basis).toMatch(/measured here/);
  });

  it('count the physical cores of a CPU', async () => {
    cores.physical = availableParallelism() + 3;
    try {
      const { costs, dir } = await createTestCosts();
      const id = `cpu: Intel(R) Xeon(R) Processor × ${cores.physical}`;
      const [target] = (await costs.facts()).targets;
      const [device] = (await costs.estimate({ dir, training: settings })).here;
      expect(target).toMatchObject({ id, cores: cores.physical });
      const watts = cores.physical * target!.facts!.power * assumptionDefaults.load;
      expect(device!.watts).toBeCloseTo(watts, 9);
      expect((await costs.measure('cpu')).device).toBe(id);
    } finally {
      cores.physical = 2;
    }
  });

  it('of distillation include the source that the growth record names', async () => {
    const test = await createTestCosts();
    const { costs, dir } = test;
    const { summary } = await openCheckpoint(dir);
    const distilled = { ...settings, distillWeight: 0.5 };
    const flops = async (training: TrainingSettings, grow?: typeof doubleFfn): Promise<number> =>
      (await costs.estimate({ dir, training, ...(grow ? { grow } : {}) })).flops.perToken;
    expect(await flops(distilled)).toBe(await flops(settings));
    expect(await flops(distilled, doubleFfn)).toBeGreaterThan(await flops(settings, doubleFfn));
    writeFileSync(
      join(dir, growthRecordFile),
      formatRecord({
        version: 1,
        source: dir,
        method: 'hypercloning',
        plan: createSavedPlan(summary, doubleFfn, null),
        certificate: null,
        cambium: '0',
      }),
    );
    expect(await flops(distilled)).toBeGreaterThan(await flops(settings));
    const { family, dims, settings: modelSettings } = summary;
    expect((await costs.facts(dir)).source).toMatchObject({ family, dims, settings: modelSettings });
    const run = await createTestRun(test, distilled);
    const { here } = await costs.estimate({ dir, training: distilled });
    expect((await costs.runCost(run))!.estimate!.uncorrectedMemory).toBeCloseTo(
      here[0]!.memory.total.likely,
      3,
    );
  });

  it('of a planned growth use the grown sizes, and compare with random weights if that is known', async () => {
    const { costs, dir } = await createTestCosts();
    const plain = await costs.estimate({ dir, training: settings });
    const request = { dir, training: settings, grow: doubleFfn };
    const grown = await costs.estimate(request);
    expect(grown.parameters).toBeGreaterThan(plain.parameters);
    expect(grown.scratchRefusal).toMatch(/tokens that the source was trained on is unknown/);
    const tiny = await costs.estimate({ ...request, sourceTokens: 1e9 });
    expect(tiny.scratchRefusal).toMatch(/the source has .* parameters, and the scaling law was fitted to/);
    const warm = { ...doubleFfn, method: 'copy-pad' };
    const lossy = await costs.estimate({ ...request, grow: warm, sourceTokens: 1e9 });
    for (const estimated of [plain, lossy])
      expect([estimated.scratch, estimated.scratchRefusal]).toEqual([undefined, undefined]);
  });
});

describe('cost records', () => {
  it('are written without a search for settings that fit', async () => {
    const test = await createTestCosts({ memory: 1e6 });
    const { costs, dir } = test;
    const search = vi.mocked(fit.settingsThatFit);
    const run = await createTestRun(test);
    expect((await costs.runCost(run))!.estimate).not.toBeNull();
    expect(search).not.toHaveBeenCalled();
    const estimated = await costs.estimate({ dir, training: settings });
    expect(estimated.here[0]!.verdict).toBe('does not fit');
    expect(search).toHaveBeenCalled();
  });

  it('of finished runs correct the next estimate', async () => {
    const test = await createTestCosts();
    const { costs, home, dir } = test;
    const runs = await Promise.all([1, 2, 3].map(() => createTestRun(test)));
    for (const run of runs) await home.rememberRun(run);
    const before = (await costs.estimate({ dir, training: settings })).here[0]!;
    expect(before.record).toBeUndefined();
    for (const [i, ratio] of [1.5, 1.6, 1.4].entries()) {
      const file = join(runs[i]!, costFile);
      const record = JSON.parse(readFileSync(file, 'utf8')) as CostRecord;
      expect(record).toMatchObject({
        version: 2,
        kind: 'cpu',
        price: { unit: 'kWh', source: 'your tariff' },
      });
      const actual = {
        steps: 100,
        tokens: 3200,
        seconds: 10,
        stepSeconds: ratio * record.estimate!.uncorrectedStepSeconds,
        memory: 1.1 * record.estimate!.uncorrectedMemory,
        energy: 1,
        powerSource: 'assumed',
        cost: 1,
        time: `2026-11-21T1${i}:00:00Z`,
      } as const;
      writeFileSync(file, JSON.stringify({ ...record, actual }));
    }
    const after = (await costs.estimate({ dir, training: settings })).here[0]!;
    expect(after.step!.seconds / before.step!.plain).toBeCloseTo(1.5, 9);
    expect(after.memory.total.likely / before.memory.total.likely).toBeCloseTo(1.1, 9);
    expect(after.record).toMatch(/last 3 runs: within 60 %/);
    expect(await costs.runCost(runs[0]!)).toMatchObject({ actual: { steps: 100 } });
  });

  it('are null for a run without one; an unknown run is refused', async () => {
    const { costs, dir } = await createTestCosts();
    const run = freePath('run');
    await createRun(run, { checkpoint: dir, data: [], settings, name: 'old' });
    expect(existsSync(join(run, costFile))).toBe(false);
    expect(await costs.runCost(run)).toBeNull();
    await expectAppError('run/not-found', () => costs.runCost(freePath('nowhere')));
  });
});
