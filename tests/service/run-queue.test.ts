/** @file Runs that wait for their device: which starts when, and what a restart of the server keeps. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Device, JobSummary, RunSummary, TrainingRequest } from '../../src-main/contract/schema.ts';
import type { TuneEvent, TuneRequest } from '../../src-main/contract/tune.ts';
import type { RunningService } from '../../src-main/service/service.ts';
import { placeRun, updateQueue } from '../../src-main/store/home/run-queue.ts';
import { launchDefaults } from '../../src-main/train/launch.ts';
import type { FakeProcessOptions } from '../support/fake-processes.ts';
import {
  collectAll,
  errorCodeOf,
  exampleCheckpoint,
  root,
  startTestService,
  trainingSettings,
  waitUntil,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
const services: RunningService[] = [];
/** Starts a service that starts waiting runs, as the server does. */
function startServer(options: FakeProcessOptions = { stepMs: 5 }): RunningService {
  app = startTestService(options);
  app.service.startQueue();
  return app.service;
}
/** Another server with the same home. */
function startAgain(): RunningService {
  const service = app.restart();
  services.push(service);
  service.startQueue();
  return service;
}
afterEach(async () => {
  await Promise.all([app.service, ...services.splice(0)].map((service) => service.close()));
  await app.cleanUp();
});

const long = 1_000_000;
const request = (name: string, tokens = long, more: Partial<TrainingRequest> = {}): TrainingRequest => ({
  checkpoint: exampleCheckpoint,
  data: [app.textFile],
  out: join(app.dir, name),
  settings: trainingSettings({ tokens, device: 'cpu' }),
  queue: 'last',
  ...more,
});
const stateOf = async ({ api }: RunningService, name: string): Promise<RunSummary['state']> =>
  (await api.run({ id: join(app.dir, name) })).state;
const isTraining = async (service: RunningService, name: string): Promise<boolean> =>
  (await stateOf(service, name)) === 'running';
const waitForTraining = (service: RunningService, name: string): Promise<void> =>
  waitUntil(() => isTraining(service, name), 30_000);
/** The names of the waiting runs of the CPU, in order. */
async function waitingIn({ api }: RunningService): Promise<readonly string[]> {
  const queues = await api.queue({});
  return queues.flatMap(({ waiting }) => waiting.map(({ name }) => name));
}

/** Starts `first`, which trains, and puts the others behind it. */
async function startWithWaiting(service: RunningService, ...names: readonly string[]): Promise<void> {
  await service.api.startRun(request('first'));
  for (const name of names) await service.api.startRun(request(name));
  await waitForTraining(service, 'first');
}

describe('a run that is started with a queue', () => {
  it('starts at once on a free device, and waits on a busy one', async () => {
    const server = startServer();
    expect(await server.api.startRun(request('first'))).toMatchObject({ state: 'preparing' });
    const second = await server.api.startRun(request('second'));
    expect(second).toMatchObject({
      state: 'waiting',
      step: 0,
      queue: { device: 'cpu', position: 1, of: 1 },
    });
    await server.api.startRun(request('third', long, { queue: 'first' }));
    expect(await waitingIn(server)).toEqual(['third', 'second']);
    expect((await server.api.run({ id: second.dir })).queue).toMatchObject({ position: 2, of: 2 });
  });

  it('does not wait for a run on another device, nor without a queue', async () => {
    const server = startServer();
    await server.api.startRun(request('first'));
    const atOnce = { ...request('second') };
    delete atOnce.queue;
    expect(await server.api.startRun(atOnce)).toMatchObject({ state: 'preparing' });
    expect(await waitingIn(server)).toEqual([]);
  });

  it('starts by itself when the run before it has finished, failed or been paused', async () => {
    const server = startServer({ stepMs: 5 });
    await server.api.startRun(request('first', 300));
    await server.api.startRun(request('second'));
    await server.api.startRun(request('third'));
    expect(await stateOf(server, 'second')).toBe('waiting');
    await waitForTraining(server, 'second');
    expect(await stateOf(server, 'first')).toBe('finished');
    expect(await stateOf(server, 'third')).toBe('waiting');
    await server.api.stopRun({ id: join(app.dir, 'second') });
    await waitForTraining(server, 'third');
    expect(await stateOf(server, 'second')).toBe('paused');
    expect(await waitingIn(server)).toEqual([]);
  });

  it('is trained by one process, even if two start waiting runs', async () => {
    const server = startServer();
    const other = startAgain();
    await server.api.startRun(request('first', 200));
    for (const name of ['second', 'third']) await server.api.startRun(request(name));
    await waitForTraining(server, 'second');
    // Both have looked several times by now.
    await new Promise((resolve) => {
      setTimeout(resolve, 2500);
    });
    expect(await stateOf(other, 'third')).toBe('waiting');
    expect(app.processes.spawned.filter(({ options }) => options.log?.includes('second'))).toHaveLength(1);
  });
});

describe('a waiting run', () => {
  it('is moved, held, and taken out', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a', 'b', 'c');
    const { api } = server;
    await api.moveInQueue({ id: 'c', to: 'first' });
    expect(await waitingIn(server)).toEqual(['c', 'a', 'b']);
    await api.moveInQueue({ id: join(app.dir, 'c'), to: 'down' });
    expect(await waitingIn(server)).toEqual(['a', 'c', 'b']);
    const [queue] = await api.removeFromQueue({ id: 'a' });
    expect(queue!.waiting.map(({ name }) => name)).toEqual(['c', 'b']);
    expect(await stateOf(server, 'a')).toBe('paused');
    expect(await errorCodeOf(api.moveInQueue({ id: 'a', to: 'up' }))).toBe('queue/not-waiting');
    expect(await api.stopRun({ id: join(app.dir, 'c') })).toMatchObject({ state: 'paused', step: 0 });
    await api.holdQueue({ device: 'cpu', held: true });
    await api.stopRun({ id: join(app.dir, 'first') });
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    expect(await stateOf(server, 'b')).toBe('waiting');
    expect(await api.startRun(request('d'))).toMatchObject({ state: 'waiting' });
    await api.holdQueue({ device: 'cpu', held: false });
    await waitForTraining(server, 'b');
  });

  it('starts at once when it is resumed without a queue', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a');
    await server.api.resumeRun({ id: join(app.dir, 'a') });
    expect(await waitingIn(server)).toEqual([]);
    await waitForTraining(server, 'a');
    expect(await isTraining(server, 'first')).toBe(true);
  });

  it('leaves the queue when it is moved to the trash', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a');
    await server.api.trashRun({ id: join(app.dir, 'a') });
    expect(await server.api.queue({})).toEqual([]);
  });

  it('is passed over while its folder is not there, and takes its turn when it is back', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a', 'b');
    renameSync(join(app.dir, 'a'), join(app.dir, 'elsewhere'));
    const [queue] = await server.api.queue({});
    expect(queue!.waiting[0]).toMatchObject({ name: 'a', error: { code: 'run/not-found' } });
    await server.api.stopRun({ id: join(app.dir, 'first') });
    await waitForTraining(server, 'b');
    expect(await waitingIn(server)).toEqual(['a']);
    renameSync(join(app.dir, 'elsewhere'), join(app.dir, 'a'));
    await server.api.stopRun({ id: join(app.dir, 'b') });
    await waitForTraining(server, 'a');
  });
});

describe('a run that is resumed with a queue', () => {
  it('waits, and its changes are made when it starts', async () => {
    const server = startServer();
    await server.api.startRun(request('first', 100));
    await waitUntil(async () => (await stateOf(server, 'first')) === 'finished', 30_000);
    await server.api.startRun(request('second'));
    const first = { id: join(app.dir, 'first'), queue: 'last' as const };
    expect(await errorCodeOf(server.api.resumeRun(first))).toBe('run/finished');
    expect(await waitingIn(server)).toEqual([]);
    const waiting = await server.api.resumeRun({ ...first, tokens: long });
    expect(waiting).toMatchObject({ state: 'waiting', steps: 10, settings: { tokens: 100 } });
    await server.api.stopRun({ id: join(app.dir, 'second') });
    await waitForTraining(server, 'first');
    expect((await server.api.run({ id: first.id })).settings.tokens).toBe(long);
  });

  it('is passed over with the reason if it cannot start, and leaves the queue if it is finished', async () => {
    const server = startServer();
    await server.api.startRun(request('done', 100));
    await waitUntil(async () => (await stateOf(server, 'done')) === 'finished', 30_000);
    await startWithWaiting(server, 'damaged', 'last');
    // As if another process had finished it while it waited.
    const done = { dir: join(app.dir, 'done'), device: 'cpu', added: '' } as const;
    await updateQueue(join(app.dir, 'home'), (before) => ({
      ...before,
      waiting: placeRun(before.waiting, done, 'first'),
    }));
    writeFileSync(join(app.dir, 'damaged', 'settings.json'), '{');
    await server.api.stopRun({ id: join(app.dir, 'first') });
    await waitForTraining(server, 'last');
    const [queue] = await server.api.queue({});
    expect(queue!.waiting).toMatchObject([{ name: 'damaged', error: { code: 'run/damaged' } }]);
  });
});

describe('a restart of the server', () => {
  it('keeps the queue, and continues the run that trained before those that wait', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a', 'b');
    await server.close();
    expect(await waitingIn(server)).toEqual(['first', 'a', 'b']);
    expect(await stateOf(server, 'first')).toBe('waiting');
    const { step } = await server.api.run({ id: join(app.dir, 'first') });
    const next = startAgain();
    await waitForTraining(next, 'first');
    expect((await next.api.run({ id: join(app.dir, 'first') })).step).toBeGreaterThanOrEqual(step);
    expect(await waitingIn(next)).toEqual(['a', 'b']);
  });

  it('resumes nothing by itself while no run waits', async () => {
    const server = startServer();
    await startWithWaiting(server);
    await server.close();
    const next = startAgain();
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    expect(await stateOf(next, 'first')).toBe('paused');
  });

  it('starts nothing in a process that only runs a command', async () => {
    const server = startServer();
    await startWithWaiting(server, 'a');
    await server.close();
    services.push(app.restart());
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    expect(await stateOf(server, 'a')).toBe('waiting');
  });
});

describe('a tuning in the queue', () => {
  const tuning = (name: string): TuneRequest => ({
    checkpoint: join(root, 'resources', 'demo', 'seedling'),
    data: [app.textFile],
    out: join(app.dir, name),
    settings: trainingSettings({ device: 'cpu' }),
    trials: 2,
    transferTrials: 0,
    coordinateCheck: false,
    queue: 'last',
  });
  const followTuning = (server: RunningService, { id }: JobSummary): Promise<TuneEvent[]> =>
    collectAll(server.api.followTuning({ id }));

  it('starts at once on a free device', async () => {
    const server = startServer();
    const events = await followTuning(server, await server.api.startTuning(tuning('tuning')));
    expect(events.at(-1)!.type).toBe('done');
    expect(await waitingIn(server)).toEqual([]);
  });

  it('waits for the run before it, and runs wait for it', async () => {
    const server = startServer();
    await startWithWaiting(server);
    const job = await server.api.startTuning({ ...tuning('tuning'), name: 'My tuning' });
    await waitUntil(async () => (await waitingIn(server)).length === 1);
    await server.api.startRun(request('second'));
    expect(await waitingIn(server)).toEqual(['My tuning', 'second']);
    const [queue] = await server.api.queue({});
    expect(queue!.waiting.map(({ kind }) => kind)).toEqual(['tuning', 'run']);
    await server.api.stopRun({ id: join(app.dir, 'first') });
    const events = await followTuning(server, job);
    expect(events.at(-1)!.type).toBe('done');
    await waitForTraining(server, 'second');
  });

  it('tells its position to those who follow it', async () => {
    const server = startServer();
    await startWithWaiting(server, 'second');
    const { id } = await server.api.startTuning(tuning('tuning'));
    for await (const event of server.api.followTuning({ id })) {
      expect(event).toEqual({ type: 'waiting', device: 'cpu', position: 2, of: 2 });
      break;
    }
  });

  it('leaves the queue when it is cancelled, and is cancelled when it is removed', async () => {
    const server = startServer();
    await startWithWaiting(server);
    const cancelled = await server.api.startTuning(tuning('cancelled'));
    await waitUntil(async () => (await waitingIn(server)).length === 1);
    await server.api.cancelJob({ id: cancelled.id });
    expect(await waitingIn(server)).toEqual([]);
    const removed = await server.api.startTuning(tuning('removed'));
    await waitUntil(async () => (await waitingIn(server)).length === 1);
    await server.api.removeFromQueue({ id: join(app.dir, 'removed') });
    expect(await errorCodeOf(followTuning(server, removed))).toBe('cancelled');
  });

  it('keeps its place when the server ends, and is started by the next', async () => {
    const server = startServer();
    await startWithWaiting(server);
    await server.api.startTuning({ ...tuning('tuning'), name: 'My tuning' });
    await waitUntil(async () => (await waitingIn(server)).length === 1);
    await server.close();
    const next = startAgain();
    expect(await waitingIn(next)).toContain('My tuning');
    await waitForTraining(next, 'first');
    await next.api.stopRun({ id: join(app.dir, 'first') });
    await waitUntil(
      async () => (await next.api.tuning({ dir: join(app.dir, 'tuning') })).tuning.isDone,
      30_000,
    );
    expect(await waitingIn(next)).toEqual([]);
  });
});

describe('several GPUs', () => {
  const gpu = { name: 'a GPU', available: true, memory: 8e10, free: 8e10 };
  const devices: readonly Device[] = [
    { id: 'cpu', name: 'a processor', available: true, memory: 1e9, free: 1e9 },
    { id: 'cuda', ...gpu, count: 2 },
  ];
  const onGpu = (name: string, more: Partial<TrainingRequest> = {}): TrainingRequest =>
    request(name, long, { settings: trainingSettings({ tokens: long, device: 'cuda' }), ...more });
  /** The GPUs of the engines that trained, in the order of their start. */
  const gpusOfEngines = (): readonly (string | undefined)[] =>
    app.processes.spawned.flatMap(({ options }) => (options.log === undefined ? [] : [options.gpu]));

  it('train one run each, and the next run gets the GPU that becomes free', async () => {
    const server = startServer({ stepMs: 5, devices });
    await server.api.startRun(onGpu('first'));
    await server.api.startRun(onGpu('second'));
    for (const name of ['first', 'second']) await waitForTraining(server, name);
    expect(await server.api.startRun(onGpu('third'))).toMatchObject({ state: 'waiting' });
    expect(gpusOfEngines()).toEqual(['0', '1']);
    await server.api.stopRun({ id: join(app.dir, 'first') });
    await waitForTraining(server, 'third');
    expect(gpusOfEngines()).toEqual(['0', '1', '0']);
  });

  it('leave a run on the processor alone', async () => {
    const server = startServer({ stepMs: 5, devices });
    await server.api.startRun(onGpu('first'));
    await server.api.startRun(request('second'));
    await waitForTraining(server, 'second');
    expect(gpusOfEngines()).toEqual(['0', undefined]);
  });

  it('train no second run where there is one GPU', async () => {
    const one = devices.map(({ count: _, ...device }) => device);
    const server = startServer({ stepMs: 5, devices: one });
    await server.api.startRun(onGpu('first'));
    await waitForTraining(server, 'first');
    expect(await server.api.startRun(onGpu('second'))).toMatchObject({ state: 'waiting' });
    expect(gpusOfEngines()).toEqual([undefined]);
  });

  it('are all busy while PyTorch trains, which waits until all are free', async () => {
    const server = startServer({ stepMs: 5, devices });
    await server.api.startRun(onGpu('first'));
    await waitForTraining(server, 'first');
    expect(await server.api.startRun(onGpu('second', { launch: launchDefaults }))).toMatchObject({
      state: 'waiting',
    });
    expect(await server.api.startRun(onGpu('third'))).toMatchObject({ state: 'waiting' });
    expect(await waitingIn(server)).toEqual(['second', 'third']);
  });
});
