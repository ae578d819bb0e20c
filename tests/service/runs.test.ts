import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEvent, RunSummary, TrainingRequest } from '../../src-main/contract/schema.ts';
import type { FakeProcessOptions } from '../support/fake-processes.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  startForkedTestService,
  trainingSettings,
  waitUntil,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

type Api = TestService['service']['api'];

let app: TestService;
const start = (options?: FakeProcessOptions): Api => {
  app = startTestService(options);
  return app.service.api;
};
afterEach(async () => {
  await app.service.close();
  await app.cleanUp();
});

type Settings = Parameters<typeof trainingSettings>[0];

/** A request for a run of `tokens` / 10 steps in a folder of the home. */
const homeRequest = (
  { textFile }: Pick<TestService, 'textFile'> = app,
  settings: Settings = {},
): TrainingRequest => ({
  checkpoint: exampleCheckpoint,
  data: [textFile],
  settings: trainingSettings(settings),
});

/** The same for a run in the folder `run`. */
const trainingRequest = (
  { dir, textFile }: Pick<TestService, 'dir' | 'textFile'> = app,
  settings: Settings = {},
): TrainingRequest & { readonly out: string } => ({
  ...homeRequest({ textFile }, settings),
  out: join(dir, 'run'),
});

const stepsOf = (events: readonly RunEvent[]): number[] =>
  events.flatMap((event) => (event.type === 'step' ? [event.step] : []));
const countTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const readAll = (api: Api, { id }: RunSummary): Promise<RunEvent[]> =>
  collectAll(api.followRun({ id, from: 0 }));
const waitForStep = (api: Api, { id }: RunSummary, step: number): Promise<void> =>
  waitUntil(async () => (await api.run({ id })).step >= step);
const waitUntilIdle = ({ service }: Pick<TestService, 'service'> = app): Promise<void> =>
  waitUntil(() => service.activeCount() === 0, 30_000);

describe('a run', () => {
  it('trains to its end, with the same events in its file and in its stream', async () => {
    const api = start();
    const run = await api.startRun(trainingRequest());
    expect(run).toMatchObject({ name: 'run', step: 0, state: 'preparing' });
    const events = await readAll(api, run);
    expect(stepsOf(events)).toEqual(countTo(10));
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
    const lines = readFileSync(join(run.dir, 'events.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as RunEvent)).toEqual(events);
    expect(await api.run({ id: run.dir })).toMatchObject({ state: 'finished', step: 10, savedStep: 10 });
    await waitUntilIdle();
    const last = await collectAll(api.followRun({ id: run.id, from: events.length - 2 }));
    expect(last).toEqual(events.slice(-2));
    expect(await errorCodeOf(api.resumeRun({ id: 'run' }))).toBe('run/finished');
    expect(await errorCodeOf(api.stopRun({ id: 'run' }))).toBe('run/not-running');
    const logs = app.processes.spawned.flatMap((engine) => engine.options.log ?? []);
    expect(logs).toEqual([join(run.dir, 'log.txt')]);
  });

  it('continues when a follower leaves, and can be followed from any line', async () => {
    const api = start({ stepMs: 3 });
    const run = await api.startRun(trainingRequest(app, { tokens: 300 }));
    let seen = 0;
    for await (const event of api.followRun({ id: run.id, from: 0 })) {
      seen++;
      if (event.type === 'step' && event.step === 4) break;
    }
    const rest = await collectAll(api.followRun({ id: run.id, from: seen }));
    expect(stepsOf(rest)).toEqual(Array.from({ length: 26 }, (_, i) => i + 5));
  });

  it('is not started if its request is invalid, and leaves no folder', async () => {
    const api = start();
    const request = trainingRequest();
    const withoutData = api.startRun({ ...request, data: [join(app.dir, 'absent.txt')] });
    expect(await errorCodeOf(withoutData)).toBe('file/not-found');
    expect(await errorCodeOf(api.startRun({ ...request, checkpoint: app.dir }))).toBe('checkpoint/no-config');
    expect(existsSync(request.out)).toBe(false);
    await api.startRun(request);
    expect(await errorCodeOf(api.startRun(request))).toBe('file/exists');
    expect(await errorCodeOf(api.run({ id: 'nonsense' }))).toBe('run/not-found');
    const followed = collectAll(api.followRun({ id: 'nonsense', from: 0 }));
    expect(await errorCodeOf(followed)).toBe('run/not-found');
  });

  it('gets a folder in the home if none is given', async () => {
    const api = start();
    const request = homeRequest();
    const first = await api.startRun({ ...request, name: 'mine' });
    const second = await api.startRun({ ...request, name: 'mine' });
    expect(first.dir).not.toBe(second.dir);
    const home = join(app.dir, 'home');
    expect([first, second].every(({ dir }) => dir.startsWith(home))).toBe(true);
    expect(await api.runs({})).toHaveLength(2);
  });

  it('gets its own folder even if two services start runs of the same name at once', async () => {
    const api = start();
    const other = app.restart();
    const request = homeRequest();
    const starts = [api, other.api, api, other.api].map(({ startRun }) =>
      startRun({ ...request, name: 'twin' }),
    );
    const runs = await Promise.all(starts);
    expect(new Set(runs.map(({ dir }) => dir)).size).toBe(4);
    const countFinished = async (): Promise<number> =>
      (await api.runs({})).filter(({ state }) => state === 'finished').length;
    await waitUntil(async () => (await countFinished()) === 4, 20_000);
    await other.close();
  });
});

describe('stop now', () => {
  it.each(['stall', 'deaf'] as const)(
    'ends an engine that does not answer (%s), and loses only the steps since the last save',
    async (behavior) => {
      app = startForkedTestService({ stepMs: 20 }) as unknown as TestService;
      const { api } = app.service;
      try {
        const run = await api.startRun(trainingRequest(app, { tokens: 400 }));
        await waitUntil(async () => (await api.run({ id: run.id })).savedStep !== null, 30_000);
        const { savedStep } = await api.stopRun({ id: run.id });
        process.env['FAKE_ENGINE'] = behavior;
        await api.resumeRun({ id: run.id });
        await waitUntil(async () => (await api.run({ id: run.id })).state === 'running', 30_000);
        let hasPaused = false;
        const pausing = api.stopRun({ id: run.id }).then(() => {
          hasPaused = true;
        });
        await waitUntil(async () => (await api.run({ id: run.id })).state === 'pausing');
        expect(hasPaused).toBe(false);
        const stopped = await api.stopRun({ id: run.id, now: true });
        expect(stopped).toMatchObject({ state: 'paused', savedStep });
        expect(stopped.error).toBeUndefined();
        await pausing;
        process.env['FAKE_ENGINE'] = 'obey';
        await api.resumeRun({ id: run.id });
        const events = await readAll(api, run);
        expect(stepsOf(events)).toEqual(countTo(40));
        expect(events.at(-1)).toMatchObject({ reason: 'finished' });
      } finally {
        process.env['FAKE_ENGINE'] = 'obey';
      }
    },
    60_000,
  );
});

describe('resume', () => {
  it('continues a run that was stopped and saved, once', async () => {
    const api = start({ stepMs: 5 });
    const run = await api.startRun(trainingRequest(app, { tokens: 10_000 }));
    await waitForStep(api, run, 3);
    expect(await errorCodeOf(api.resumeRun({ id: run.id }))).toBe('run/already-running');
    const stopped = await api.stopRun({ id: run.id });
    expect(stopped.state).toBe('paused');
    expect(stopped.savedStep).toBe(stopped.step);
    await waitUntilIdle();
    const resumes = await Promise.all([1, 2].map(() => errorCodeOf(api.resumeRun({ id: run.id }))));
    expect(resumes.sort()).toEqual(['no error', 'run/already-running']);
    await waitForStep(api, run, stopped.step + 3);
    await app.service.close();
    const steps = stepsOf(await readAll(api, run));
    expect(steps).toEqual(countTo(steps.length));
  });

  it('waits for an engine that is exiting', async () => {
    const api = start({ stepMs: 1, exitDelayMs: 300 });
    const run = await api.startRun(trainingRequest());
    for await (const event of api.followRun({ id: run.id, from: 0 })) if (event.type === 'stopped') break;
    expect(app.service.activeCount()).toBe(1);
    const resume = (): Promise<string> => errorCodeOf(api.resumeRun({ id: run.id, tokens: 200 }));
    const resumes = await Promise.all([resume(), resume()]);
    expect(resumes.sort()).toEqual(['no error', 'run/already-running']);
    await waitUntil(async () => (await api.run({ id: run.id })).state === 'finished');
    expect(stepsOf(await readAll(api, run)).at(-1)).toBe(20);
  });

  it('works in another service than the one that started the run', async () => {
    const api = start({ stepMs: 5 });
    const run = await api.startRun(trainingRequest(app, { tokens: 10_000 }));
    await waitForStep(api, run, 3);
    await app.service.close();
    const later = app.restart();
    expect(await later.api.runs({})).toMatchObject([{ id: run.id, state: 'paused' }]);
    await later.api.resumeRun({ id: run.id });
    expect(later.activeCount()).toBe(1);
    await later.close();
    expect(await later.api.run({ id: run.id })).toMatchObject({ state: 'paused' });
  });

  it('starts a new engine; the one of a stopped run has exited', async () => {
    const api = start({ stepMs: 5 });
    const run = await api.startRun(trainingRequest(app, { tokens: 10_000 }));
    await waitForStep(api, run, 2);
    const trainers = (): readonly boolean[] =>
      app.processes.spawned.filter((e) => e.options.log !== undefined).map((e) => e.exited);
    expect(trainers()).toEqual([false]);
    await api.stopRun({ id: run.id });
    expect(trainers()).toEqual([true]);
    await api.resumeRun({ id: run.id });
    await waitUntil(() => trainers().length === 2);
  });

  it('extends a finished run, but not to fewer tokens than it has done', async () => {
    const api = start();
    const run = await api.startRun(trainingRequest(app, { tokens: 50, warmupSteps: 2 }));
    expect((await readAll(api, run)).at(-1)).toMatchObject({ reason: 'finished', step: 5 });
    await waitUntilIdle();
    expect(await errorCodeOf(api.resumeRun({ id: run.id, tokens: 50 }))).toBe('run/fewer-tokens');
    const extended = await api.resumeRun({ id: run.id, tokens: 120, rewarmSteps: 3 });
    expect(extended.settings).toMatchObject({
      tokens: 120,
      phases: [
        { from: 0, until: 5 },
        { from: 5, until: 12, warmupSteps: 3 },
      ],
    });
    const events = await readAll(api, run);
    expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 12 });
    expect(await api.run({ id: run.id })).toMatchObject({ state: 'finished', steps: 12, step: 12 });
    expect(stepsOf(events)).toEqual(countTo(12));
  });
});

describe('a run whose engine fails', () => {
  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
    ['refuse', 'engine/no-device'],
  ] as const)('has the error of the engine, and can be resumed (%s)', async (behavior, code) => {
    start();
    const forked = startForkedTestService({ stepMs: 100 });
    const { api } = forked.service;
    try {
      const run = await api.startRun(trainingRequest(forked, { tokens: 400 }));
      await waitUntil(async () => (await api.run({ id: run.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: run.id });
      process.env['FAKE_ENGINE'] = behavior;
      process.env['FAKE_PACE'] = '1';
      await api.resumeRun({ id: run.id });
      expect((await readAll(api, run)).at(-1)).toMatchObject({
        type: 'stopped',
        reason: 'failed',
        error: { code },
      });
      const failed = await api.run({ id: run.id });
      expect(failed).toMatchObject({ state: 'failed', error: { code } });
      expect(failed.savedStep).not.toBe(null);
      await waitUntilIdle(forked);
      process.env['FAKE_ENGINE'] = 'obey';
      await api.resumeRun({ id: run.id });
      expect((await readAll(api, run)).at(-1)).toMatchObject({ reason: 'finished', step: 40 });
    } finally {
      await forked.service.close();
      await forked.cleanUp();
    }
  });

  it('is offered settings that fit if it ran out of memory, and resumes with them', async () => {
    start();
    const forked = startForkedTestService({ stepMs: 4 });
    const { api } = forked.service;
    try {
      const request = trainingRequest(forked, { tokens: 400_000, microBatch: 4 });
      const run = await api.startRun(request);
      await waitUntil(async () => (await api.run({ id: run.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: run.id });
      process.env['FAKE_ENGINE'] = 'full';
      await api.resumeRun({ id: run.id });
      expect((await readAll(api, run)).at(-1)).toMatchObject({
        type: 'stopped',
        reason: 'failed',
        error: { code: 'engine/out-of-memory', detail: { fits: expect.any(Array) as unknown[] } },
      });
      await waitUntilIdle(forked);
      process.env['FAKE_ENGINE'] = 'obey';
      const resumeWith = (memoryOverrides: object): Promise<RunSummary> =>
        api.resumeRun({ id: run.id, memoryOverrides });
      expect(await errorCodeOf(resumeWith({ microBatch: 1 }))).toBe('run/bad-setting');
      expect(await errorCodeOf(resumeWith({ contextLength: 4 }))).toBe('run/bad-setting');
      const overrides = { microBatch: 2, gradAccum: 2, activationCheckpointing: 'full' };
      const resumed = await resumeWith(overrides);
      expect(resumed.settings).toEqual({ ...request.settings, ...overrides });
      await waitUntil(async () => (await api.run({ id: run.id })).step > resumed.step, 30_000);
      expect(await api.stopRun({ id: run.id })).toMatchObject({ state: 'paused' });
    } finally {
      await forked.service.close();
      await forked.cleanUp();
    }
  });
});

describe('decay', () => {
  it('is requested from the engine of a run, or resumes a paused run', async () => {
    const api = start({ stepMs: 5 });
    const run = await api.startRun(trainingRequest(app, { tokens: 10_000 }));
    await waitForStep(api, run, 2);
    await api.decayRun({ id: run.id, steps: 7 });
    const requestFile = join(run.dir, 'decay');
    expect(JSON.parse(readFileSync(requestFile, 'utf8'))).toEqual({ steps: 7 });
    const { step } = await api.stopRun({ id: run.id });
    await waitUntilIdle();
    const decaying = await api.decayRun({ id: run.id, steps: 4 });
    expect(decaying.settings.phases?.at(-1)).toEqual({
      from: step,
      until: step + 4,
      schedule: 'decay',
      warmupSteps: 0,
    });
    expect(existsSync(requestFile)).toBe(false);
    expect(await errorCodeOf(api.decayRun({ id: run.id }))).toBe('run/decaying');
    expect((await readAll(api, run)).at(-1)).toMatchObject({ reason: 'finished', step: step + 4 });
    await waitUntilIdle();
    expect(await errorCodeOf(api.decayRun({ id: run.id }))).toBe('run/finished');
  });
});
