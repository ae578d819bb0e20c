import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src-main/contract/schema.ts';
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

let place: TestService;
afterEach(async () => {
  await place.service.close();
  await place.cleanUp();
});
const steps = (events: readonly RunEvent[]): number[] =>
  events.flatMap((e) => (e.type === 'step' ? [e.step] : []));
const start = (w: TestService, tokens = 100) =>
  w.service.api.startRun({
    checkpoint: exampleCheckpoint,
    data: [w.textFile],
    out: join(w.dir, 'run'),
    settings: trainingSettings({ tokens }),
  });

describe('runs', () => {
  it('trains to its end; the file and the stream tell the same', async () => {
    place = startTestService();
    const card = await start(place);
    expect(card).toMatchObject({ name: 'run', step: 0, state: 'preparing' });
    const events = await collectAll(place.service.api.followRun({ id: card.id, from: 0 }));
    expect(steps(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
    expect(
      readFileSync(join(card.dir, 'events.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as RunEvent),
    ).toEqual(events);
    expect(await place.service.api.run({ id: card.dir })).toMatchObject({
      state: 'finished',
      step: 10,
      savedStep: 10,
    });
    await waitUntil(() => place.service.activeCount() === 0);
    expect(await collectAll(place.service.api.followRun({ id: card.id, from: events.length - 2 }))).toEqual(
      events.slice(-2),
    );
    expect(await errorCodeOf(place.service.api.resumeRun({ id: 'run' }))).toBe('run/finished');
    expect(await errorCodeOf(place.service.api.stopRun({ id: 'run' }))).toBe('run/not-running');
    expect(place.processes.spawned.flatMap((e) => e.options.log ?? [])).toEqual([join(card.dir, 'log.txt')]);
  });

  it('is stopped and saved, and goes on from there', async () => {
    place = startTestService({ stepMs: 5 });
    const card = await start(place, 10_000);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step >= 3);
    expect(await errorCodeOf(place.service.api.resumeRun({ id: card.id }))).toBe('run/already-running');
    const stopped = await place.service.api.stopRun({ id: card.id });
    expect(stopped.state).toBe('paused');
    expect(stopped.savedStep).toBe(stopped.step);
    await waitUntil(() => place.service.activeCount() === 0);
    const both = await Promise.all([
      errorCodeOf(place.service.api.resumeRun({ id: card.id })),
      errorCodeOf(place.service.api.resumeRun({ id: card.id })),
    ]);
    expect(both.sort()).toEqual(['no error', 'run/already-running']);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step > stopped.step + 2);
    await place.service.close();
    const all = steps(await collectAll(place.service.api.followRun({ id: card.id, from: 0 })));
    expect(all).toEqual(all.map((_, i) => i + 1));
  });

  it('told to go on while its engine is only leaving, it goes on as soon as that has gone', async () => {
    place = startTestService({ stepMs: 1, exitDelayMs: 300 });
    const card = await start(place, 100);
    const { api } = place.service;
    for await (const event of api.followRun({ id: card.id, from: 0 })) if (event.type === 'stopped') break;
    expect(place.service.activeCount()).toBe(1);
    const both = await Promise.all([1, 2].map(() => errorCodeOf(api.resumeRun({ id: card.id, tokens: 200 }))));
    expect(both.sort()).toEqual(['no error', 'run/already-running']);
    await waitUntil(async () => (await api.run({ id: card.id })).state === 'finished');
    expect(steps(await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toBe(20);
  });

  it('of one name started at once by two services take two folders', async () => {
    place = startTestService();
    const other = place.restart();
    const request = { checkpoint: exampleCheckpoint, data: [place.textFile], name: 'twin', settings: trainingSettings() };
    const cards = await Promise.all(
      [place.service, other, place.service, other].map(({ api }) => api.startRun(request)),
    );
    expect(new Set(cards.map(({ dir }) => dir)).size).toBe(4);
    await waitUntil(
      async () => (await place.service.api.runs({})).filter(({ state }) => state === 'finished').length === 4,
      20_000,
    );
    await other.close();
  });

  it('goes on when whoever follows leaves, and can be followed again from any line', async () => {
    place = startTestService({ stepMs: 3 });
    const card = await start(place, 300);
    let seen = 0;
    for await (const event of place.service.api.followRun({ id: card.id, from: 0 })) {
      seen++;
      if (event.type === 'step' && event.step === 4) break;
    }
    const rest = await collectAll(place.service.api.followRun({ id: card.id, from: seen }));
    expect(steps(rest)).toEqual(Array.from({ length: 26 }, (_, i) => i + 5));
  });

  it('outlives the service that started it, on paper: another one lists, follows and resumes it', async () => {
    place = startTestService({ stepMs: 5 });
    const card = await start(place, 10_000);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step >= 3);
    await place.service.close();
    const later = place.restart();
    expect(await later.api.runs({})).toMatchObject([{ id: card.id, state: 'paused' }]);
    await later.api.resumeRun({ id: card.id });
    expect(later.activeCount()).toBe(1);
    await later.close();
    expect(await later.api.run({ id: card.id })).toMatchObject({ state: 'paused' });
  });

  it('refuses what cannot start, and leaves no folder', async () => {
    place = startTestService();
    const { api } = place.service;
    const out = join(place.dir, 'run');
    const request = { checkpoint: exampleCheckpoint, data: [place.textFile], out, settings: trainingSettings() };
    expect(await errorCodeOf(api.startRun({ ...request, data: [join(place.dir, 'absent.txt')] }))).toBe(
      'file/not-found',
    );
    expect(await errorCodeOf(api.startRun({ ...request, checkpoint: place.dir }))).toBe('checkpoint/no-config');
    expect(existsSync(out)).toBe(false);
    await api.startRun(request);
    expect(await errorCodeOf(api.startRun(request))).toBe('file/exists');
    expect(await errorCodeOf(api.run({ id: 'nonsense' }))).toBe('run/not-found');
    expect(await errorCodeOf(collectAll(api.followRun({ id: 'nonsense', from: 0 })))).toBe('run/not-found');
  });

  it('makes a folder of its own for a run without one', async () => {
    place = startTestService();
    const { api } = place.service;
    const cards = [
      await api.startRun({ checkpoint: exampleCheckpoint, data: [place.textFile], settings: trainingSettings(), name: 'mine' }),
      await api.startRun({ checkpoint: exampleCheckpoint, data: [place.textFile], settings: trainingSettings(), name: 'mine' }),
    ];
    expect(new Set(cards.map((c) => c.dir)).size).toBe(2);
    expect(cards.every((c) => c.dir.startsWith(join(place.dir, 'home')))).toBe(true);
    expect(await api.runs({})).toHaveLength(2);
  });

  it('paused, nothing of it is left in memory: its engine has gone', async () => {
    place = startTestService({ stepMs: 5 });
    const card = await start(place, 10_000);
    await waitUntil(async () => (await place.service.api.run({ id: card.id })).step >= 2);
    const trainers = (): readonly boolean[] =>
      place.processes.spawned.filter((e) => e.options.log !== undefined).map((e) => e.exited);
    expect(trainers()).toEqual([false]);
    await place.service.api.stopRun({ id: card.id });
    expect(trainers()).toEqual([true]);
    await place.service.api.resumeRun({ id: card.id });
    await waitUntil(() => trainers().length === 2);
  });

  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
    ['refuse', 'engine/no-device'],
  ] as const)('says why it failed, and goes on from what was saved (%s)', async (mood, code) => {
    place = startTestService();
    const forked = startForkedTestService({ stepMs: 100 });
    const { api } = forked.service;
    try {
      const card = await api.startRun({
        checkpoint: exampleCheckpoint,
        data: [forked.textFile],
        out: join(forked.dir, 'run'),
        settings: trainingSettings({ tokens: 400 }),
      });
      await waitUntil(async () => (await api.run({ id: card.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: card.id });
      process.env['FAKE_ENGINE'] = mood;
      process.env['FAKE_PACE'] = '1';
      await api.resumeRun({ id: card.id });
      expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
        type: 'stopped',
        reason: 'failed',
        error: { code },
      });
      const failed = await api.run({ id: card.id });
      expect(failed).toMatchObject({ state: 'failed', error: { code } });
      expect(failed.savedStep).not.toBe(null);
      await waitUntil(() => forked.service.activeCount() === 0, 30_000);
      process.env['FAKE_ENGINE'] = 'obey';
      await api.resumeRun({ id: card.id });
      expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
        reason: 'finished',
        step: 40,
      });
    } finally {
      await forked.service.close();
      await forked.cleanUp();
    }
  });

  it('trains further than planned: finished or paused, never less than it has done', async () => {
    place = startTestService();
    const { api } = place.service;
    const card = await api.startRun({
      checkpoint: exampleCheckpoint,
      data: [place.textFile],
      out: join(place.dir, 'run'),
      settings: trainingSettings({ tokens: 50, warmupSteps: 2 }),
    });
    const ended = async () => (await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1);
    expect(await ended()).toMatchObject({ reason: 'finished', step: 5 });
    await waitUntil(() => place.service.activeCount() === 0);
    expect(await errorCodeOf(api.resumeRun({ id: card.id, tokens: 50 }))).toBe('run/fewer-tokens');
    const longer = await api.resumeRun({ id: card.id, tokens: 120, rewarmSteps: 3 });
    expect(longer.settings).toMatchObject({
      tokens: 120,
      phases: [
        { from: 0, until: 5 },
        { from: 5, until: 12, warmupSteps: 3 },
      ],
    });
    expect(await ended()).toMatchObject({ reason: 'finished', step: 12 });
    expect(await api.run({ id: card.id })).toMatchObject({ state: 'finished', steps: 12, step: 12 });
    expect(steps(await collectAll(api.followRun({ id: card.id, from: 0 })))).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
  });

  it('out of memory it says what fits, and goes on with it; over other sequences it does not', async () => {
    place = startTestService();
    const forked = startForkedTestService({ stepMs: 4 });
    const { api } = forked.service;
    try {
      const wide = { ...trainingSettings({ tokens: 400_000 }), microBatch: 4 };
      const card = await api.startRun({
        checkpoint: exampleCheckpoint,
        data: [forked.textFile],
        out: join(forked.dir, 'run'),
        settings: wide,
      });
      await waitUntil(async () => (await api.run({ id: card.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: card.id });
      process.env['FAKE_ENGINE'] = 'full';
      await api.resumeRun({ id: card.id });
      const last = (await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1);
      expect(last).toMatchObject({ type: 'stopped', reason: 'failed' });
      const { error } = last as unknown as {
        error: { code: string; detail: { fits: readonly { change: Record<string, unknown> }[] } };
      };
      expect([error.code, Array.isArray(error.detail.fits)]).toEqual(['engine/out-of-memory', true]);
      await waitUntil(() => forked.service.activeCount() === 0, 30_000);
      process.env['FAKE_ENGINE'] = 'obey';
      expect(await errorCodeOf(api.resumeRun({ id: card.id, memoryOverrides: { microBatch: 1 } }))).toBe('run/bad-setting');
      expect(await errorCodeOf(api.resumeRun({ id: card.id, memoryOverrides: { contextLength: 4 } }))).toBe('run/bad-setting');
      const resumed = await api.resumeRun({
        id: card.id,
        memoryOverrides: { microBatch: 2, gradAccum: 2, activationCheckpointing: 'full' },
      });
      expect(resumed.settings).toEqual({ ...wide, microBatch: 2, gradAccum: 2, activationCheckpointing: 'full' });
      await waitUntil(async () => (await api.run({ id: card.id })).step > resumed.step, 30_000);
      expect(await api.stopRun({ id: card.id })).toMatchObject({ state: 'paused' });
    } finally {
      await forked.service.close();
      await forked.cleanUp();
    }
  });

  it('is told to decay: paused, it goes on with it; live, its engine is asked', async () => {
    place = startTestService({ stepMs: 5 });
    const card = await start(place, 10_000);
    const { api } = place.service;
    await waitUntil(async () => (await api.run({ id: card.id })).step >= 2);
    await api.decayRun({ id: card.id, steps: 7 });
    expect(JSON.parse(readFileSync(join(card.dir, 'decay'), 'utf8'))).toEqual({ steps: 7 });
    const { step } = await api.stopRun({ id: card.id });
    await waitUntil(() => place.service.activeCount() === 0);
    const decaying = await api.decayRun({ id: card.id, steps: 4 });
    expect(decaying.settings.phases?.at(-1)).toEqual({
      from: step,
      until: step + 4,
      schedule: 'decay',
      warmupSteps: 0,
    });
    expect(existsSync(join(card.dir, 'decay'))).toBe(false);
    expect(await errorCodeOf(api.decayRun({ id: card.id }))).toBe('run/decaying');
    expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
      reason: 'finished',
      step: step + 4,
    });
    await waitUntil(() => place.service.activeCount() === 0);
    expect(await errorCodeOf(api.decayRun({ id: card.id }))).toBe('run/finished');
  });
});
