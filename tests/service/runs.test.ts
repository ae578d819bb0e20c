import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import {
  codeOf,
  collectAll,
  example,
  forkedWorkplace,
  settings,
  until,
  workplace,
  type Workplace,
} from '../support/workplace.ts';

let place: Workplace;
afterEach(async () => {
  await place.running.close();
  await place.end();
});
const steps = (events: readonly RunEvent[]): number[] =>
  events.flatMap((e) => (e.at === 'step' ? [e.step] : []));
const start = (w: Workplace, tokens = 100) =>
  w.running.api.startRun({
    checkpoint: example,
    data: [w.text],
    out: join(w.dir, 'run'),
    settings: settings({ tokens }),
  });

describe('runs', () => {
  it('trains to its end; the file and the stream tell the same', async () => {
    place = workplace();
    const card = await start(place);
    expect(card).toMatchObject({ name: 'run', step: 0, state: 'preparing' });
    const events = await collectAll(place.running.api.followRun({ id: card.id, from: 0 }));
    expect(steps(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(events.at(-1)).toMatchObject({ at: 'stopped', reason: 'finished' });
    expect(
      readFileSync(join(card.dir, 'events.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as RunEvent),
    ).toEqual(events);
    expect(await place.running.api.run({ id: card.dir })).toMatchObject({
      state: 'finished',
      step: 10,
      savedStep: 10,
    });
    await until(() => place.running.busy() === 0);
    expect(await collectAll(place.running.api.followRun({ id: card.id, from: events.length - 2 }))).toEqual(
      events.slice(-2),
    );
    expect(await codeOf(place.running.api.resumeRun({ id: 'run' }))).toBe('run/finished');
    expect(await codeOf(place.running.api.stopRun({ id: 'run' }))).toBe('run/not-running');
    expect(place.processes.spawned.flatMap((e) => e.options.log ?? [])).toEqual([join(card.dir, 'log.txt')]);
  });

  it('is stopped and saved, and goes on from there', async () => {
    place = workplace({ pace: 5 });
    const card = await start(place, 10_000);
    await until(async () => (await place.running.api.run({ id: card.id })).step >= 3);
    expect(await codeOf(place.running.api.resumeRun({ id: card.id }))).toBe('run/already-running');
    const stopped = await place.running.api.stopRun({ id: card.id });
    expect(stopped.state).toBe('paused');
    expect(stopped.savedStep).toBe(stopped.step);
    await until(() => place.running.busy() === 0);
    const both = await Promise.all([
      codeOf(place.running.api.resumeRun({ id: card.id })),
      codeOf(place.running.api.resumeRun({ id: card.id })),
    ]);
    expect(both.sort()).toEqual(['no error', 'run/already-running']);
    await until(async () => (await place.running.api.run({ id: card.id })).step > stopped.step + 2);
    await place.running.close();
    const all = steps(await collectAll(place.running.api.followRun({ id: card.id, from: 0 })));
    expect(all).toEqual(all.map((_, i) => i + 1));
  });

  it('told to go on while its engine is only leaving, it goes on as soon as that has gone', async () => {
    place = workplace({ pace: 1, leave: 300 });
    const card = await start(place, 100);
    const { api } = place.running;
    for await (const event of api.followRun({ id: card.id, from: 0 })) if (event.at === 'stopped') break;
    expect(place.running.busy()).toBe(1);
    const both = await Promise.all([1, 2].map(() => codeOf(api.resumeRun({ id: card.id, tokens: 200 }))));
    expect(both.sort()).toEqual(['no error', 'run/already-running']);
    await until(async () => (await api.run({ id: card.id })).state === 'finished');
    expect(steps(await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toBe(20);
  });

  it('of one name started at once by two services take two folders', async () => {
    place = workplace();
    const other = place.again();
    const request = { checkpoint: example, data: [place.text], name: 'twin', settings: settings() };
    const cards = await Promise.all(
      [place.running, other, place.running, other].map(({ api }) => api.startRun(request)),
    );
    expect(new Set(cards.map(({ dir }) => dir)).size).toBe(4);
    await until(
      async () => (await place.running.api.runs({})).filter(({ state }) => state === 'finished').length === 4,
      20_000,
    );
    await other.close();
  });

  it('goes on when whoever follows leaves, and can be followed again from any line', async () => {
    place = workplace({ pace: 3 });
    const card = await start(place, 300);
    let seen = 0;
    for await (const event of place.running.api.followRun({ id: card.id, from: 0 })) {
      seen++;
      if (event.at === 'step' && event.step === 4) break;
    }
    const rest = await collectAll(place.running.api.followRun({ id: card.id, from: seen }));
    expect(steps(rest)).toEqual(Array.from({ length: 26 }, (_, i) => i + 5));
  });

  it('outlives the service that started it, on paper: another one lists, follows and resumes it', async () => {
    place = workplace({ pace: 5 });
    const card = await start(place, 10_000);
    await until(async () => (await place.running.api.run({ id: card.id })).step >= 3);
    await place.running.close();
    const later = place.again();
    expect(await later.api.runs({})).toMatchObject([{ id: card.id, state: 'paused' }]);
    await later.api.resumeRun({ id: card.id });
    expect(later.busy()).toBe(1);
    await later.close();
    expect(await later.api.run({ id: card.id })).toMatchObject({ state: 'paused' });
  });

  it('refuses what cannot start, and leaves no folder', async () => {
    place = workplace();
    const { api } = place.running;
    const out = join(place.dir, 'run');
    const request = { checkpoint: example, data: [place.text], out, settings: settings() };
    expect(await codeOf(api.startRun({ ...request, data: [join(place.dir, 'absent.txt')] }))).toBe(
      'file/not-found',
    );
    expect(await codeOf(api.startRun({ ...request, checkpoint: place.dir }))).toBe('checkpoint/no-config');
    expect(existsSync(out)).toBe(false);
    await api.startRun(request);
    expect(await codeOf(api.startRun(request))).toBe('file/exists');
    expect(await codeOf(api.run({ id: 'nonsense' }))).toBe('run/not-found');
    expect(await codeOf(collectAll(api.followRun({ id: 'nonsense', from: 0 })))).toBe('run/not-found');
  });

  it('makes a folder of its own for a run without one', async () => {
    place = workplace();
    const { api } = place.running;
    const cards = [
      await api.startRun({ checkpoint: example, data: [place.text], settings: settings(), name: 'mine' }),
      await api.startRun({ checkpoint: example, data: [place.text], settings: settings(), name: 'mine' }),
    ];
    expect(new Set(cards.map((c) => c.dir)).size).toBe(2);
    expect(cards.every((c) => c.dir.startsWith(join(place.dir, 'home')))).toBe(true);
    expect(await api.runs({})).toHaveLength(2);
  });

  it('paused, nothing of it is left in memory: its engine has gone', async () => {
    place = workplace({ pace: 5 });
    const card = await start(place, 10_000);
    await until(async () => (await place.running.api.run({ id: card.id })).step >= 2);
    const trainers = (): readonly boolean[] =>
      place.processes.spawned.filter((e) => e.options.log !== undefined).map((e) => e.gone);
    expect(trainers()).toEqual([false]);
    await place.running.api.stopRun({ id: card.id });
    expect(trainers()).toEqual([true]);
    await place.running.api.resumeRun({ id: card.id });
    await until(() => trainers().length === 2);
  });

  it.each([
    ['die', 'engine/crashed'],
    ['full', 'engine/out-of-memory'],
    ['refuse', 'engine/no-device'],
  ] as const)('says why it failed, and goes on from what was saved (%s)', async (mood, code) => {
    place = workplace();
    const forked = forkedWorkplace({ pace: 100 });
    const { api } = forked.running;
    try {
      const card = await api.startRun({
        checkpoint: example,
        data: [forked.text],
        out: join(forked.dir, 'run'),
        settings: settings({ tokens: 400 }),
      });
      await until(async () => (await api.run({ id: card.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: card.id });
      process.env['FAKE_ENGINE'] = mood;
      process.env['FAKE_PACE'] = '1';
      await api.resumeRun({ id: card.id });
      expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
        at: 'stopped',
        reason: 'failed',
        error: { code },
      });
      const failed = await api.run({ id: card.id });
      expect(failed).toMatchObject({ state: 'failed', error: { code } });
      expect(failed.savedStep).not.toBe(null);
      await until(() => forked.running.busy() === 0, 30_000);
      process.env['FAKE_ENGINE'] = 'obey';
      await api.resumeRun({ id: card.id });
      expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
        reason: 'finished',
        step: 40,
      });
    } finally {
      await forked.running.close();
      await forked.end();
    }
  });

  it('trains further than planned: finished or paused, never less than it has done', async () => {
    place = workplace();
    const { api } = place.running;
    const card = await api.startRun({
      checkpoint: example,
      data: [place.text],
      out: join(place.dir, 'run'),
      settings: settings({ tokens: 50, warmup: 2 }),
    });
    const ended = async () => (await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1);
    expect(await ended()).toMatchObject({ reason: 'finished', step: 5 });
    await until(() => place.running.busy() === 0);
    expect(await codeOf(api.resumeRun({ id: card.id, tokens: 50 }))).toBe('run/fewer-tokens');
    const longer = await api.resumeRun({ id: card.id, tokens: 120, rewarm: 3 });
    expect(longer.settings).toMatchObject({
      tokens: 120,
      phases: [
        { from: 0, until: 5 },
        { from: 5, until: 12, warmup: 3 },
      ],
    });
    expect(await ended()).toMatchObject({ reason: 'finished', step: 12 });
    expect(await api.run({ id: card.id })).toMatchObject({ state: 'finished', steps: 12, step: 12 });
    expect(steps(await collectAll(api.followRun({ id: card.id, from: 0 })))).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
  });

  it('out of memory it says what fits, and goes on with it; over other sequences it does not', async () => {
    place = workplace();
    const forked = forkedWorkplace({ pace: 4 });
    const { api } = forked.running;
    try {
      const wide = { ...settings({ tokens: 400_000 }), batch: 4 };
      const card = await api.startRun({
        checkpoint: example,
        data: [forked.text],
        out: join(forked.dir, 'run'),
        settings: wide,
      });
      await until(async () => (await api.run({ id: card.id })).savedStep !== null, 30_000);
      await api.stopRun({ id: card.id });
      process.env['FAKE_ENGINE'] = 'full';
      await api.resumeRun({ id: card.id });
      const last = (await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1);
      expect(last).toMatchObject({ at: 'stopped', reason: 'failed' });
      const { error } = last as unknown as {
        error: { code: string; detail: { fits: readonly { change: Record<string, unknown> }[] } };
      };
      expect([error.code, Array.isArray(error.detail.fits)]).toEqual(['engine/out-of-memory', true]);
      await until(() => forked.running.busy() === 0, 30_000);
      process.env['FAKE_ENGINE'] = 'obey';
      expect(await codeOf(api.resumeRun({ id: card.id, spare: { batch: 1 } }))).toBe('run/bad-setting');
      expect(await codeOf(api.resumeRun({ id: card.id, spare: { sequence: 4 } }))).toBe('run/bad-setting');
      const resumed = await api.resumeRun({
        id: card.id,
        spare: { batch: 2, accumulate: 2, recompute: 'full' },
      });
      expect(resumed.settings).toEqual({ ...wide, batch: 2, accumulate: 2, recompute: 'full' });
      await until(async () => (await api.run({ id: card.id })).step > resumed.step, 30_000);
      expect(await api.stopRun({ id: card.id })).toMatchObject({ state: 'paused' });
    } finally {
      await forked.running.close();
      await forked.end();
    }
  });

  it('is told to decay: paused, it goes on with it; live, its engine is asked', async () => {
    place = workplace({ pace: 5 });
    const card = await start(place, 10_000);
    const { api } = place.running;
    await until(async () => (await api.run({ id: card.id })).step >= 2);
    await api.decayRun({ id: card.id, steps: 7 });
    expect(JSON.parse(readFileSync(join(card.dir, 'decay'), 'utf8'))).toEqual({ steps: 7 });
    const { step } = await api.stopRun({ id: card.id });
    await until(() => place.running.busy() === 0);
    const decaying = await api.decayRun({ id: card.id, steps: 4 });
    expect(decaying.settings.phases?.at(-1)).toEqual({
      from: step,
      until: step + 4,
      schedule: 'fall',
      warmup: 0,
    });
    expect(existsSync(join(card.dir, 'decay'))).toBe(false);
    expect(await codeOf(api.decayRun({ id: card.id }))).toBe('run/decaying');
    expect((await collectAll(api.followRun({ id: card.id, from: 0 }))).at(-1)).toMatchObject({
      reason: 'finished',
      step: step + 4,
    });
    await until(() => place.running.busy() === 0);
    expect(await codeOf(api.decayRun({ id: card.id }))).toBe('run/finished');
  });
});
