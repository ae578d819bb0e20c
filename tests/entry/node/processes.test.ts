import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine } from '../../../src-main/contract/engine.ts';
import type { Device, RunEvent, RunSummary } from '../../../src-main/contract/schema.ts';
import {
  createForkedProcesses,
  inspectFlags,
  type ForkedProcesses,
} from '../../../src-main/entry/node/processes.ts';
import { withEngine, type Processes } from '../../../src-main/service/engines.ts';
import { readMark } from '../../../src-main/store/run/state.ts';
import type { FakeBehavior } from '../../support/fake-engine.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  startForkedTestService,
  trainingSettings,
  waitUntil,
  type ForkedEngineOptions,
  type TestService,
} from '../../support/test-service.ts';

let app: TestService<ForkedProcesses>;
const start = (options: ForkedEngineOptions = {}): TestService['service']['api'] => {
  app = startForkedTestService(options);
  return app.service.api;
};
afterEach(async () => {
  await app.service.close();
  app.processes.killAll();
  await app.cleanUp();
});

const startRun = (tokens = 100): Promise<RunSummary> =>
  app.service.api.startRun({
    checkpoint: exampleCheckpoint,
    data: [app.textFile],
    out: join(app.dir, 'run'),
    settings: trainingSettings({ tokens }),
  });
const readEvents = (run: RunSummary): Promise<RunEvent[]> =>
  collectAll(app.service.api.followRun({ id: run.id, from: 0 }));
const waitForStep = ({ id }: RunSummary, step: number): Promise<void> =>
  waitUntil(async () => (await app.service.api.run({ id })).step >= step, 10_000);
const listDevices = (processes: Processes): Promise<readonly Device[]> =>
  withEngine(processes, {}, (connected) => connected.devices({}));
const setBehavior = (behavior: FakeBehavior): void => {
  process.env['FAKE_ENGINE'] = behavior;
};

describe('a forked engine', { timeout: 30_000 }, () => {
  it('answers, and exits when its channel closes', async () => {
    start();
    const child = await app.processes.spawn({});
    expect(await connect(engine, child).devices({})).toMatchObject([{ id: 'cpu' }]);
    child.close();
    expect(await child.exited).toMatchObject({ code: 0, signal: null });
  });

  it('listens for a debugger on the port of CAMBIUM_ENGINE_INSPECT', async () => {
    expect(inspectFlags({})).toEqual([]);
    expect(inspectFlags({ CAMBIUM_ENGINE_INSPECT: '9230' })).toEqual(['--inspect=127.0.0.1:9230']);
    for (const port of ['yes', '-1', '65536'])
      expect(() => inspectFlags({ CAMBIUM_ENGINE_INSPECT: port })).toThrow(/is not a port/);
    start();
    process.env['CAMBIUM_ENGINE_INSPECT'] = '0';
    try {
      const log = join(app.dir, 'inspect.txt');
      const child = await app.processes.spawn({ log });
      await connect(engine, child).devices({});
      child.close();
      await child.exited;
      expect(readFileSync(log, 'utf8')).toMatch(/Debugger listening on ws:/);
    } finally {
      delete process.env['CAMBIUM_ENGINE_INSPECT'];
    }
  });

  it('reports how it died, with its last lines', async () => {
    start({ behavior: 'full' });
    const child = await app.processes.spawn({});
    const call = errorCodeOf(connect(engine, child).devices({}));
    expect(await child.exited).toMatchObject({
      code: null,
      signal: 'SIGABRT',
      lines: expect.stringContaining('Failed to allocate') as string,
    });
    expect(await call).toBe('rpc/closed');
    expect(await errorCodeOf(listDevices(app.processes))).toBe('engine/out-of-memory');
  });

  it('can be killed if it does not exit', async () => {
    start({ behavior: 'deaf' });
    const child = await app.processes.spawn({});
    // An answer shows that it runs.
    const call = connect({ hello: engine.devices }, child)['hello']({});
    expect(await errorCodeOf(call)).toBe('rpc/unknown');
    child.close();
    const timeout = new Promise((resolve) => {
      setTimeout(resolve, 300, 'alive');
    });
    expect(await Promise.race([child.exited, timeout])).toBe('alive');
    child.kill();
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
  });

  it('reports a missing script in its last lines', async () => {
    start();
    const processes = createForkedProcesses('/nowhere/engine.js');
    const error = await listDevices(processes).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'engine/crashed',
      detail: { lines: expect.stringContaining('Cannot find module') as string },
    });
  });
});

describe('a run with a forked engine', { timeout: 30_000 }, () => {
  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
  ] as const)('records the error of an engine that dies (%s), and can be resumed', async (behavior, code) => {
    const api = start({ behavior });
    const run = await startRun();
    const failed = { type: 'stopped', reason: 'failed', error: { code } };
    expect((await readEvents(run)).at(-1)).toMatchObject(failed);
    await waitUntil(() => app.service.activeCount() === 0);
    expect(await api.run({ id: run.id })).toMatchObject({ state: 'failed', error: { code } });
    expect(readFileSync(join(run.dir, 'log.txt'), 'utf8')).not.toBe('');
    setBehavior('obey');
    await api.resumeRun({ id: run.id });
    expect((await readEvents(run)).at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
  });

  it('loses only the steps after its last checkpoint when the engine is killed', async () => {
    const api = start({ stepMs: 5 });
    const run = await startRun(10_000);
    await waitForStep(run, 5);
    process.kill((await readMark(run.dir))!.pid, 'SIGKILL');
    await waitUntil(() => app.service.activeCount() === 0, 10_000);
    const killed = await api.run({ id: run.id });
    expect(killed).toMatchObject({ state: 'failed', error: { code: 'engine/crashed' } });
    expect(killed.savedStep).toBeGreaterThanOrEqual(3);
    await api.resumeRun({ id: run.id });
    await waitForStep(run, killed.step + 3);
    const stopped = await api.stopRun({ id: run.id });
    const steps = (await readEvents(run)).flatMap((e) => (e.type === 'step' ? [e.step] : []));
    expect(steps).toEqual(Array.from({ length: stopped.step }, (_, i) => i + 1));
  });

  it('is saved when the service closes', async () => {
    const api = start({ stepMs: 5 });
    const run = await startRun(10_000);
    await waitForStep(run, 2);
    await app.service.close();
    expect(await api.run({ id: run.id })).toMatchObject({ state: 'paused' });
  });
});

describe('a growth with a forked engine', { timeout: 30_000 }, () => {
  it('leaves no files when it is cancelled, even if the engine must be killed', async () => {
    const api = start({ behavior: 'deaf' });
    const out = join(app.dir, 'grown');
    const request = { method: 'identity', to: { layers: 4 }, options: {}, seed: 0, dtype: 'keep' } as const;
    const job = await api.startGrowth({ source: exampleCheckpoint, out, request, device: 'cpu' });
    const partials = (): readonly string[] => readdirSync(app.dir).filter((name) => name.includes('partial'));
    await waitUntil(() => partials().length > 0, 10_000);
    await api.cancelJob({ id: job.id });
    expect(existsSync(out)).toBe(false);
    expect(partials()).toEqual([]);
    expect(await api.jobs({})).toMatchObject([{ state: 'cancelled' }]);
  });
});
