/**
 * @file Cost at the service: the book that comes with Cambium, what is assumed and measured, what a run
 * keeps, and what the next estimate learns from it.
 */
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
import { createCosts } from '../../src-main/service/cost.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { freePath, freshFolder } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { noTunnel, testEnvironment } from '../support/test-service.ts';

const cores = vi.hoisted(() => ({ physical: 2 }));
vi.mock('../../src-main/cost/fit.ts', { spy: true });
vi.mock('../../src-main/store/fs/cores.ts', () => ({ physicalCores: () => cores.physical }));

const resources = join(import.meta.dirname, '../../resources');
const settings = { ...trainingDefaults, microBatch: 2, contextLength: 16, tokens: 3200 };

async function desk(at = freshFolder('home'), from = resources, memory = 16e9) {
  const home = openHome(at);
  const dir = await makeTinyCheckpoint('llama');
  const costs = createCosts(
    {
      home,
      processes: fakeProcesses({ behavior: () => 'obey', stepMs: 1 }),
      tunnel: noTunnel,
      environment: { ...testEnvironment, resources: from },
    },
    () =>
      Promise.resolve([
        { id: 'cpu', name: 'Intel(R) Xeon(R) Processor', available: true, memory, free: 8e9 },
      ]),
  );
  return { costs, home, dir };
}

describe('the book', () => {
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
  ])('knows %s as %s', (name, id) => {
    expect(factsOf(book, name)?.id).toBe(id);
  });
  it('has a source for every device and price, one id each, and a price for none that it lacks', () => {
    expect(new Set(book.devices.map((d) => d.id)).size).toBe(book.devices.length);
    for (const { source } of [...book.devices, ...book.prices]) expect(source.length).toBeGreaterThan(10);
    expect(
      deviceBook.safeParse({ ...book, prices: [{ ...book.prices[0], device: 'nowhere' }] }).success,
    ).toBe(false);
    expect(
      deviceBook.safeParse({ ...book, devices: [{ ...book.devices[0], peaks: { float32: -1 } }] }).success,
    ).toBe(false);
  });
});

describe('costs', () => {
  it('keep what is assumed, and nothing that cannot be', async () => {
    const { costs, home } = await desk();
    expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
    await costs.setAssumptions({ tariff: 0.5 });
    await costs.setAssumptions({ load: 0.6 });
    expect((await costs.facts()).assumptions).toEqual({ ...assumptionDefaults, tariff: 0.5, load: 0.6 });
    writeFileSync(join(home.dir, 'costs.json'), '{"assumptions":{"tariff":-4},"measured":{}}');
    expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
  });

  it('lose nothing by an entry that cannot be, and set a file aside that is none', async () => {
    const { costs, home } = await desk();
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
    await Promise.all([costs.setAssumptions({ tariff: 0.5 }), costs.measure('cpu'), costs.setAssumptions({ load: 0.7 })]);
    expect((await costs.facts()).assumptions).toMatchObject({ tariff: 0.5, load: 0.7, carbon: 100 });
    for (const bad of ['{"assumptions":', '[]']) {
      writeFileSync(file, bad);
      expect((await costs.facts()).assumptions).toEqual(assumptionDefaults);
      expect(
        readdirSync(home.dir).some(
          (name) =>
            name.startsWith('costs.json.damaged-') && readFileSync(join(home.dir, name), 'utf8') === bad,
        ),
      ).toBe(true);
    }
  });

  it('need no folder but the home, which they make', async () => {
    const { costs, home } = await desk(freePath('home'));
    expect((await costs.facts()).free).toBeGreaterThan(0);
    expect(existsSync(home.dir)).toBe(false);
    await costs.setAssumptions({ load: 0.6 });
    expect(readdirSync(home.dir)).toEqual(['costs.json']);
  });

  it('read the book again where that failed once', async () => {
    const own = freshFolder('resources');
    const { costs } = await desk(freshFolder('home'), own);
    await expectAppError('file/not-found', () => costs.facts());
    cpSync(join(resources, 'devices.json'), join(own, 'devices.json'));
    expect((await costs.facts()).book.devices.length).toBeGreaterThan(0);
  });

  it('of a run that begins are not weighed against settings that would fit', async () => {
    const { costs, dir } = await desk(undefined, undefined, 1e6);
    const run = freePath('run');
    const tried = vi.mocked(fit.settingsThatFit);
    await createRun(run, { checkpoint: dir, data: [], settings, name: 'r' });
    await costs.recordEstimate(run, { checkpoint: dir, data: [dir], settings });
    expect((await costs.runCost(run))!.estimate).not.toBeNull();
    expect(tried).not.toHaveBeenCalled();
    expect((await costs.estimate({ dir, training: settings })).here[0]!.verdict).toBe('does not fit');
    expect(tried).toHaveBeenCalled();
  });

  it('stand on what an engine measured', async () => {
    const { costs, dir } = await desk();
    const before = await costs.estimate({ dir, training: settings });
    const { device, measured } = await costs.measure('cpu');
    const { targets } = await costs.facts();
    expect(targets[0]).toMatchObject({ id: device, measured });
    const after = await costs.estimate({ dir, training: settings });
    expect(before.here[0]!.basis).toMatch(/utilisation/);
    expect(after.here[0]!.basis).toMatch(/measured here/);
  });

  it('count a processor by its physical cores, as the book and the speed test do', async () => {
    cores.physical = availableParallelism() + 3;
    try {
      const { costs, dir } = await desk();
      const id = `cpu: Intel(R) Xeon(R) Processor × ${cores.physical}`;
      const {
        targets: [target],
      } = await costs.facts();
      const [on] = (await costs.estimate({ dir, training: settings })).here;
      expect(target).toMatchObject({ id, cores: cores.physical });
      expect(on!.watts).toBeCloseTo(cores.physical * target!.facts!.power * assumptionDefaults.load, 9);
      expect((await costs.measure('cpu')).device).toBe(id);
    } finally {
      cores.physical = 2;
    }
  });

  it('begin a run with a record, and learn from runs that ended', async () => {
    const { costs, home, dir } = await desk();
    const runs = await Promise.all(
      [1.5, 1.6, 1.4].map(async (ratio, i) => {
        const run = freePath('run');
        await createRun(run, { checkpoint: dir, data: [], settings, name: `r${i}` });
        await home.rememberRun(run);
        await costs.recordEstimate(run, { checkpoint: dir, data: [dir], settings });
        const file = join(run, costFile);
        const record = JSON.parse(readFileSync(file, 'utf8')) as CostRecord;
        expect(record).toMatchObject({
          version: 1,
          kind: 'cpu',
          price: { unit: 'kWh', source: 'your tariff' },
        });
        return { run, file, record, ratio };
      }),
    );
    const plain = (await costs.estimate({ dir, training: settings })).here[0]!;
    expect(plain.record).toBeUndefined();
    for (const [i, { file, record, ratio }] of runs.entries()) {
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
    const taught = (await costs.estimate({ dir, training: settings })).here[0]!;
    expect(taught.step!.seconds / plain.step!.plain).toBeCloseTo(1.5, 9);
    expect(taught.memory.total.likely / plain.memory.total.likely).toBeCloseTo(1.1, 9);
    expect(taught.record).toMatch(/last 3 runs: within 60 %/);
    expect(await costs.runCost(runs[0]!.run)).toMatchObject({ actual: { steps: 100 } });
  });

  it('say of a run without a record that there is none, and refuse a run that is not', async () => {
    const { costs, dir } = await desk();
    const run = freePath('run');
    await createRun(run, { checkpoint: dir, data: [], settings, name: 'old' });
    expect(existsSync(join(run, costFile))).toBe(false);
    expect(await costs.runCost(run)).toBeNull();
    await expectAppError('run/not-found', () => costs.runCost(freePath('nowhere')));
  });

  it('of learning from a source are those of two models, where the growth record says which', async () => {
    const { costs, dir } = await desk();
    const { summary: card } = await openCheckpoint(dir);
    const taught = { ...settings, distillWeight: 0.5 };
    const request = { method: 'hypercloning', to: { ffn: 48 }, options: {}, seed: 0, dtype: 'keep' } as const;
    const flops = async (training: typeof settings, grow?: typeof request): Promise<number> =>
      (await costs.estimate({ dir, training, ...(grow ? { grow } : {}) })).flops.perToken;
    expect(await flops(taught)).toBe(await flops(settings));
    expect(await flops(taught, request)).toBeGreaterThan(await flops(settings, request));
    writeFileSync(
      join(dir, growthRecordFile),
      formatRecord({
        version: 1,
        source: dir,
        method: 'hypercloning',
        plan: createSavedPlan(card, request, null),
        certificate: null,
        cambium: '0',
      }),
    );
    expect(await flops(taught)).toBeGreaterThan(await flops(settings));
    expect((await costs.facts(dir)).source).toMatchObject({
      family: card.family,
      dims: card.dims,
      settings: card.settings,
    });
    const run = freePath('run');
    await createRun(run, { checkpoint: dir, data: [], settings: taught, name: 'taught' });
    await costs.recordEstimate(run, { checkpoint: dir, data: [dir], settings: taught });
    expect((await costs.runCost(run))!.estimate!.uncorrectedMemory).toBeCloseTo(
      (await costs.estimate({ dir, training: taught })).here[0]!.memory.total.likely,
      3,
    );
  });

  it('of a growth that is only planned are those of its sizes, beside random weights', async () => {
    const { costs, dir } = await desk();
    const plain = await costs.estimate({ dir, training: settings });
    const grown = await costs.estimate({
      dir,
      training: settings,
      grow: { method: 'hypercloning', to: { ffn: 48 }, options: {}, seed: 0, dtype: 'keep' },
      assumptions: { sourceTokens: 40 },
    });
    expect(grown.parameters).toBeGreaterThan(plain.parameters);
    expect(grown.scratch!.assumption).toContain('40 tokens a parameter');
    expect(plain.scratch).toBeUndefined();
  });
});
