import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { trainingRecordFile } from '../../src-main/model/records.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { errorCodeOf, exampleCheckpoint, startTestService, type TestService } from '../support/test-service.ts';

let place: TestService;
afterEach(() => place.cleanUp());
const run = async (name: string, checkpoint = exampleCheckpoint): Promise<string> => {
  const dir = join(place.dir, 'runs', name);
  mkdirSync(join(place.dir, 'runs'), { recursive: true });
  await createRun(dir, { checkpoint, data: ['/text.txt'], settings: trainingDefaults, name });
  writeFileSync(
    join(dir, 'state.json'),
    JSON.stringify({ pid: 1, born: null, state: 'stopped', heartbeat: 0, told: true }),
  );
  await openHome(join(place.dir, 'home')).rememberRun(dir);
  return dir;
};

describe('runs on the desk', () => {
  it('take a name, tags and notes, each for itself, and give them to whoever asks', async () => {
    place = startTestService();
    const dir = await run('oak');
    const { api } = place.service;
    expect(await api.run({ id: dir })).toMatchObject({ name: 'oak', tags: [], notes: '' });
    await api.annotateRun({ id: 'oak', tags: ['good', 'good', 'long'], notes: 'With the new text.' });
    await api.annotateRun({ id: 'oak', name: 'The oak' });
    expect((await api.runs({}))[0]).toMatchObject({
      id: dir,
      name: 'The oak',
      tags: ['good', 'long'],
      notes: 'With the new text.',
    });
    expect(await errorCodeOf(api.annotateRun({ id: 'elm', notes: '' }))).toBe('run/not-found');
  });

  it('of one name are two runs wherever they lie', async () => {
    place = startTestService();
    const [here, there] = [await run('oak'), join(place.dir, 'elsewhere', 'oak')];
    const { api } = place.service;
    mkdirSync(join(place.dir, 'elsewhere'));
    await createRun(there, {
      checkpoint: exampleCheckpoint,
      data: ['/text.txt'],
      settings: trainingDefaults,
      name: 'oak',
    });
    writeFileSync(
      join(there, 'state.json'),
      JSON.stringify({ pid: 1, born: null, state: 'stopped', heartbeat: 0, told: true }),
    );
    await openHome(join(place.dir, 'home')).rememberRun(there);
    const cards = await api.runs({});
    expect(new Set(cards.map(({ id }) => id)).size).toBe(2);
    for (const [i, dir] of [here, there].entries())
      await api.annotateRun({ id: cards.find((card) => card.dir === dir)!.id, notes: String(i) });
    for (const [i, dir] of [here, there].entries())
      expect((await api.run({ id: dir })).notes).toBe(String(i));
    await api.trashRun({ id: cards.find((card) => card.dir === there)!.id });
    expect([existsSync(here), existsSync(there)]).toEqual([true, false]);
  });

  it('go into the trash and come back whole; one that is at work does not go', async () => {
    place = startTestService();
    const dir = await run('oak');
    const { api } = place.service;
    const settings = readFileSync(join(dir, 'settings.json'), 'utf8');
    const { trashed } = await api.trashRun({ id: 'oak' });
    expect([existsSync(dir), existsSync(trashed), (await api.runs({})).length]).toEqual([false, true, 0]);
    await run('oak');
    expect(await errorCodeOf(api.restoreRun({ trashed }))).toBe('file/exists');
    await api.trashRun({ id: 'oak' });
    expect(await api.restoreRun({ trashed })).toMatchObject({ id: dir, dir });
    expect(readFileSync(join(dir, 'settings.json'), 'utf8')).toBe(settings);
    expect(await errorCodeOf(api.restoreRun({ trashed }))).toBe('run/not-found');
    expect(await errorCodeOf(api.restoreRun({ trashed: dir }))).toBe('file/not-found');
    writeFileSync(
      join(dir, 'state.json'),
      JSON.stringify({ pid: process.pid, born: null, state: 'running', heartbeat: Date.now(), told: false }),
    );
    expect(await errorCodeOf(api.trashRun({ id: 'oak' }))).toBe('run/already-running');
  });
});

describe('the family tree', () => {
  it('ties source, grown, run and export together, also through what is gone', async () => {
    place = startTestService();
    const { api } = place.service;
    const home = openHome(join(place.dir, 'home'));
    const folder = (name: string, file: string, value: unknown): string => {
      const dir = join(place.dir, name);
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'config.json'), '{}');
      writeFileSync(join(dir, file), JSON.stringify(value));
      return dir;
    };
    const grown = folder('grown', 'growth.json', {
      version: 1,
      source: '/gone/source',
      method: 'hypercloning',
      plan: {},
      certificate: { passed: true, promise: 'exact', maxLogit: 1e-5 },
    });
    const trained = await run('oak', grown);
    const exported = folder('export', trainingRecordFile, { version: 1, run: trained, step: 40 });
    const again = folder('again', 'growth.json', {
      version: 1,
      source: join(trained, 'checkpoints', 'step-000040', 'model'),
      method: 'identity',
      plan: {},
      certificate: null,
    });
    for (const dir of [grown, exported, again]) await home.rememberCheckpoint(dir, dir);
    const { nodes, edges } = await api.lineage({});
    const ours = edges.filter((e) => e.from.startsWith(place.dir) || e.from === '/gone/source');
    expect(ours).toHaveLength(4);
    expect(ours).toEqual(
      expect.arrayContaining([
        {
          from: '/gone/source',
          to: grown,
          kind: 'grown',
          what: 'hypercloning',
          proof: { passed: true, promise: 'exact', maxLogit: 1e-5 },
        },
        { from: grown, to: trained, kind: 'trained', what: '0 tokens' },
        { from: trained, to: exported, kind: 'exported', what: 'step 40' },
        { from: trained, to: again, kind: 'grown', what: 'identity', proof: null },
      ]),
    );
    expect(nodes.find((n) => n.dir === '/gone/source')).toMatchObject({
      kind: 'checkpoint',
      name: 'source',
      gone: true,
    });
    expect(new Set(nodes.map((n) => n.dir)).size).toBe(nodes.length);
    for (const { from, to } of edges)
      expect([from, to].every((dir) => nodes.some((n) => n.dir === dir))).toBe(true);
  });
});
