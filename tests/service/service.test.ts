import { cpSync, existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrowEvent } from '../../src-main/contract/schema.ts';
import { service as contract } from '../../src-main/contract/service.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import type { FakeProcessOptions } from '../support/fake-processes.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  trainingSettings,
  waitUntil,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
const start = (options?: FakeProcessOptions): TestService['service']['api'] => {
  app = startTestService(options);
  return app.service.api;
};
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

const request = { method: 'identity', to: { layers: 4 }, options: {}, seed: 0, dtype: 'keep' } as const;
const growJob = (out: string) => ({ source: exampleCheckpoint, out, request, device: 'cpu' }) as const;
const certifyRequest = { source: exampleCheckpoint, grown: exampleCheckpoint, device: 'cpu' } as const;
const sampleRequest = {
  from: exampleCheckpoint,
  prompt: 'a',
  tokens: 3,
  temperature: 0,
  seed: 0,
  device: 'cpu',
} as const;

it('implements every procedure of the contract and no other', () => {
  expect(Object.keys(start()).sort()).toEqual(Object.keys(contract).sort());
});

describe('checkpoints', () => {
  it('are listed after they were opened until they are forgotten; the built-in one always is', async () => {
    const api = start();
    const copy = join(app.dir, 'copy');
    const builtIn = join(app.dir, 'resources', 'demo', 'seedling');
    expect(await api.checkpoints({})).toMatchObject([{ dir: builtIn, builtIn: true }]);
    cpSync(exampleCheckpoint, copy, { recursive: true });
    const summary = await api.openCheckpoint({ dir: copy });
    expect(summary).toMatchObject({ dir: copy, family: expect.any(String) as string });
    expect(await api.checkpoints({})).toMatchObject([
      { dir: copy, builtIn: false },
      { dir: builtIn, builtIn: true },
    ]);
    await api.forgetCheckpoint({ dir: copy });
    expect(await api.checkpoints({})).toHaveLength(1);
  });

  it('are not listed while their folder is missing', async () => {
    const api = start();
    const copy = join(app.dir, 'copy');
    cpSync(exampleCheckpoint, copy, { recursive: true });
    await api.openCheckpoint({ dir: copy });
    renameSync(copy, `${copy}-gone`);
    expect(await api.checkpoints({})).toHaveLength(1);
    renameSync(`${copy}-gone`, copy);
    expect(await api.checkpoints({})).toHaveLength(2);
  });
});

describe('a growth', () => {
  it('does what was planned, as a job whose events can be read again', async () => {
    const api = start();
    const out = join(app.dir, 'grown');
    const plan = await api.planGrowth({ dir: exampleCheckpoint, request });
    const job = await api.startGrowth(growJob(out));
    expect(job).toMatchObject({ kind: 'grow', state: 'running' });
    const events = await collectAll(api.followGrowth({ id: job.id }));
    expect(events.filter((e) => e.type === 'tensor')).toHaveLength(plan.stages[0]!.tensors.length);
    expect(events.at(-1)).toMatchObject({ type: 'done', dir: out, certificate: { verdict: 'passed' } });
    // Of the progress of the certificate, only the last event is kept.
    const withoutProgress = (all: readonly GrowEvent[]): readonly GrowEvent[] =>
      all.filter(({ type }) => type !== 'certifying');
    const later = await collectAll(api.followGrowth({ id: job.id }));
    expect(withoutProgress(later)).toEqual(withoutProgress(events));
    expect(await api.jobs({})).toMatchObject([{ id: job.id, state: 'done' }]);
    expect((await api.checkpoints({}))[0]).toMatchObject({ dir: out });
    expect(await errorCodeOf(api.startGrowth(growJob(out)))).toBe('file/exists');
  });

  it.each(['stall', 'deaf'] as const)(
    'leaves no files when it is cancelled, even if its engine is %s',
    async (behavior) => {
      const api = start({ behavior: () => behavior });
      const out = join(app.dir, 'grown');
      const job = await api.startGrowth(growJob(out));
      await waitUntil(() => readdirSync(app.dir).some((name) => name.includes('partial')));
      const following = errorCodeOf(collectAll(api.followGrowth({ id: job.id })));
      await api.cancelJob({ id: job.id });
      expect(await following).toBe('cancelled');
      expect(existsSync(out)).toBe(false);
      expect(app.processes.spawned).toMatchObject([{ exited: true, killed: behavior === 'deaf' }]);
      // The partial folder of a killed engine in memory is kept, because its process (this one) is alive. Engines
      // in processes are tested in tests/entry. One that is cancelled removes it in its own time.
      if (behavior === 'stall')
        await expect
          .poll(() => readdirSync(app.dir).sort())
          .toEqual(['home', 'resources', 'text.txt'].filter((name) => existsSync(join(app.dir, name))));
    },
    20_000,
  );
});

it.each([
  ['die', 'engine/crashed'],
  ['full', 'engine/out-of-memory'],
  ['refuse', 'engine/no-device'],
] as const)('reports the error of an engine that fails (%s) to every caller', async (behavior, code) => {
  const api = start({ behavior: () => behavior });
  const job = await api.startGrowth(growJob(join(app.dir, 'grown')));
  expect(await errorCodeOf(collectAll(api.followGrowth({ id: job.id })))).toBe(code);
  expect(await api.jobs({})).toMatchObject([{ state: 'failed', error: { code } }]);
  expect(await errorCodeOf(collectAll(api.certify(certifyRequest)))).toBe(code);
  expect(await errorCodeOf(collectAll(api.sample(sampleRequest)))).toBe(code);
});

it('samples, evaluates and certifies with an engine', async () => {
  const api = start();
  const samples = await collectAll(api.sample(sampleRequest));
  expect(samples.map((e) => (e.type === 'done' ? e.tokens : e.text))).toEqual([' a0', ' a1', ' a2', 3]);
  const evaluation = await collectAll(
    api.evaluate({
      checkpoint: exampleCheckpoint,
      data: [app.textFile],
      contextLength: 8,
      batchSize: 1,
      device: 'cpu',
    }),
  );
  expect(evaluation.at(-1)).toMatchObject({ type: 'done', evaluation: { loss: 2 } });
  const certified = await collectAll(api.certify(certifyRequest));
  expect(certified.map((event) => (event.type === 'progress' ? event.done : event.type))).toEqual([
    4,
    8,
    'done',
  ]);
  expect(certified.at(-1)).toMatchObject({ certificate: { verdict: 'passed' } });
});

describe('the device list', () => {
  /** The number of engines that two requests start. */
  async function countEngines(): Promise<number> {
    const before = app.processes.spawned.length;
    await Promise.all([app.service.api.devices({}), app.service.api.devices({})]);
    await app.service.api.devices({});
    return app.processes.spawned.length - before;
  }

  it('is cached', async () => {
    start();
    expect([await countEngines(), await countEngines()]).toEqual([1, 0]);
  });

  it.runIf(process.platform === 'linux')(
    'is read again after the CUDA provider was installed or removed',
    async () => {
      const api = start();
      expect([await countEngines(), await countEngines()]).toEqual([1, 0]);
      const installed = collectAll(api.installGpu({ files: [join(app.dir, 'none.whl')], cuda: false }));
      expect(await errorCodeOf(installed)).toMatch(/^(file|gpu)\//);
      expect([await countEngines(), await countEngines()]).toEqual([1, 0]);
      expect(await api.removeGpu({})).toEqual({ removed: false });
      expect([await countEngines(), await countEngines()]).toEqual([1, 0]);
    },
  );
});

it('checks the computer, with a remedy for everything that is missing', async () => {
  const api = start();
  // As after the installation.
  expect(existsSync(join(app.dir, 'home'))).toBe(false);
  const checks = await api.doctor({});
  expect(checks.map((c) => c.what)).toEqual(
    expect.arrayContaining([
      'Node.js',
      'Platform',
      'ONNX Runtime',
      'Device cpu',
      'Disk',
      'Memory',
      'Demo checkpoint',
      'Desktop window',
      'Browser',
    ]) as string[],
  );
  for (const check of checks) if (!check.ok) expect(check.remedy).toMatch(/\w{3}/);
  expect(checks.filter((c) => !c.ok && !c.optional)).toEqual([]);
});

describe('an export', () => {
  it('of a run is a job', async () => {
    const api = start();
    const out = join(app.dir, 'export');
    const run = await api.startRun({
      checkpoint: exampleCheckpoint,
      data: [app.textFile],
      out: join(app.dir, 'run'),
      settings: trainingSettings(),
    });
    await collectAll(api.followRun({ id: run.id, from: 0 }));
    const job = await api.startExport({ run: run.id, out, dtype: 'keep' });
    const events = await collectAll(api.followExport({ id: job.id }));
    expect(events.at(-1)).toMatchObject({ type: 'done', dir: out });
  });

  it.each(['onnx', 'gguf'] as const)(
    'of a checkpoint is possible as %s, and is not listed',
    async (format) => {
      const api = start();
      const out = join(app.dir, format);
      const job = await api.startExport({ run: exampleCheckpoint, out, dtype: 'keep', format });
      const events = await collectAll(api.followExport({ id: job.id }));
      expect(events.at(-1)).toMatchObject({ type: 'done', dir: out });
      expect(await openHome(join(app.dir, 'home')).listCheckpoints()).toEqual([]);
      const asFolder = { run: exampleCheckpoint, out: join(app.dir, 'folder'), dtype: 'keep' } as const;
      expect(await errorCodeOf(api.startExport(asFolder))).toBe('run/not-found');
    },
  );
});
