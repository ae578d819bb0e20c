import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import { codeOf, collectAll, example, settings, until, workplace, type Workplace } from '../support/workplace.ts';

let place: Workplace;
afterEach(async () => { await place.running.close(); await place.end(); });
const steps = (events: readonly RunEvent[]): number[] => events.flatMap((e) => (e.at === 'step' ? [e.step] : []));
const start = (w: Workplace, tokens = 100) => w.running.api.startRun({ checkpoint: example, data: [w.text], out: join(w.dir, 'run'), settings: settings({ tokens }) });

describe('runs', () => {
  it('trains to its end; the file and the stream tell the same', async () => {
    place = workplace();
    const card = await start(place);
    expect(card).toMatchObject({ name: 'run', step: 0, state: 'preparing' });
    const events = await collectAll(place.running.api.followRun({ id: card.id, from: 0 }));
    expect(steps(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(events.at(-1)).toMatchObject({ at: 'stopped', reason: 'finished' });
    expect(readFileSync(join(card.dir, 'events.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as RunEvent)).toEqual(events);
    expect(await place.running.api.run({ id: card.dir })).toMatchObject({ state: 'finished', step: 10, savedStep: 10 });
    await until(() => place.running.busy() === 0);
    expect(await collectAll(place.running.api.followRun({ id: card.id, from: events.length - 2 }))).toEqual(events.slice(-2));
    expect(await codeOf(place.running.api.resumeRun({ id: 'run' }))).toBe('run/finished');
    expect(await codeOf(place.running.api.stopRun({ id: 'run' }))).toBe('run/not-running');
    expect(place.processes.spawned[0]!.options.log).toBe(join(card.dir, 'log.txt'));
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
    const both = await Promise.all([codeOf(place.running.api.resumeRun({ id: card.id })), codeOf(place.running.api.resumeRun({ id: card.id }))]);
    expect(both.sort()).toEqual(['no error', 'run/already-running']);
    await until(async () => (await place.running.api.run({ id: card.id })).step > stopped.step + 2);
    await place.running.close();
    const all = steps(await collectAll(place.running.api.followRun({ id: card.id, from: 0 })));
    expect(all).toEqual(all.map((_, i) => i + 1));
  });

  it('goes on when whoever follows leaves, and can be followed again from any line', async () => {
    place = workplace({ pace: 3 });
    const card = await start(place, 300);
    let seen = 0;
    for await (const event of place.running.api.followRun({ id: card.id, from: 0 })) { seen++; if (event.at === 'step' && event.step === 4) break; }
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
    const { api } = place.running, out = join(place.dir, 'run');
    const request = { checkpoint: example, data: [place.text], out, settings: settings() };
    expect(await codeOf(api.startRun({ ...request, data: [join(place.dir, 'absent.txt')] }))).toBe('file/not-found');
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
    const cards = [await api.startRun({ checkpoint: example, data: [place.text], settings: settings(), name: 'mine' }), await api.startRun({ checkpoint: example, data: [place.text], settings: settings(), name: 'mine' })];
    expect(new Set(cards.map((c) => c.dir)).size).toBe(2);
    expect(cards.every((c) => c.dir.startsWith(join(place.dir, 'home')))).toBe(true);
    expect(await api.runs({})).toHaveLength(2);
  });
});
