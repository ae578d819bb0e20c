import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createRun } from '../../src-main/store/run/runs.ts';
import { deleteTrashed } from '../../src-main/store/fs/trash.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import {
  errorCodeOf,
  exampleCheckpoint,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(() => app.cleanUp());

const writeState = (dir: string, state: Readonly<Record<string, unknown>>): void => {
  writeFileSync(join(dir, 'state.json'), JSON.stringify({ pid: 1, born: null, heartbeat: 0, ...state }));
};

/** Creates a stopped run and adds it to the known runs; returns its folder. */
async function createStoppedRun(dir = join(app.dir, 'runs', 'oak')): Promise<string> {
  mkdirSync(dirname(dir), { recursive: true });
  await createRun(dir, {
    checkpoint: exampleCheckpoint,
    data: ['/text.txt'],
    settings: trainingDefaults,
    name: 'oak',
  });
  writeState(dir, { state: 'stopped', hasStopped: true });
  await openHome(join(app.dir, 'home')).rememberRun(dir);
  return dir;
}

it('sets name, tags and notes independently', async () => {
  const dir = await createStoppedRun();
  const { api } = app.service;
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

it('keeps name, tags and notes that are saved at the same time', async () => {
  await createStoppedRun();
  const { api } = app.service;
  for (let i = 0; i < 10; i++) {
    const [name, notes] = [`oak ${i}`, `note ${i}`];
    await Promise.all([
      api.annotateRun({ id: 'oak', tags: [`tag ${i}`] }),
      api.annotateRun({ id: 'oak', notes }),
      api.annotateRun({ id: 'oak', name }),
    ]);
    expect((await api.runs({}))[0]).toMatchObject({ name, notes, tags: [`tag ${i}`] });
  }
});

it('distinguishes runs of the same name in different folders', async () => {
  const here = await createStoppedRun();
  const elsewhere = await createStoppedRun(join(app.dir, 'elsewhere', 'oak'));
  const { api } = app.service;
  const runs = await api.runs({});
  const idOf = (dir: string): string => runs.find((run) => run.dir === dir)!.id;
  expect(idOf(here)).not.toBe(idOf(elsewhere));
  for (const dir of [here, elsewhere]) await api.annotateRun({ id: idOf(dir), notes: dir });
  for (const dir of [here, elsewhere]) expect((await api.run({ id: dir })).notes).toBe(dir);
  await api.trashRun({ id: idOf(elsewhere) });
  expect([existsSync(here), existsSync(elsewhere)]).toEqual([true, false]);
});

it('moves a run to the trash and restores it unchanged', async () => {
  const dir = await createStoppedRun();
  const { api } = app.service;
  const settings = readFileSync(join(dir, 'settings.json'), 'utf8');
  const { trashed } = await api.trashRun({ id: 'oak' });
  expect([existsSync(dir), existsSync(trashed), (await api.runs({})).length]).toEqual([false, true, 0]);
  await createStoppedRun();
  expect(await errorCodeOf(api.restoreRun({ trashed }))).toBe('file/exists');
  await api.trashRun({ id: 'oak' });
  expect(await api.restoreRun({ trashed })).toMatchObject({ id: dir, dir });
  expect(readFileSync(join(dir, 'settings.json'), 'utf8')).toBe(settings);
  expect(await errorCodeOf(api.restoreRun({ trashed }))).toBe('run/not-found');
  expect(await errorCodeOf(api.restoreRun({ trashed: dir }))).toBe('file/not-found');
});

it('lists the runs in the trash, also after their folder is known no more, and deletes the old ones', async () => {
  const { api } = app.service;
  const elsewhere = await createStoppedRun(join(app.dir, 'elsewhere', 'elm'));
  const dir = await createStoppedRun();
  await api.trashRun({ id: elsewhere });
  const { trashed } = await api.trashRun({ id: dir });
  expect(await api.trashedRuns({})).toMatchObject([
    { trashed, original: dir, name: 'oak', step: 0 },
    { original: elsewhere, name: 'oak' },
  ]);
  expect(await api.emptyTrash({ days: 1 })).toEqual({ deleted: 0 });
  await api.restoreRun({ trashed });
  expect(await api.emptyTrash({ days: 0 })).toEqual({ deleted: 1 });
  expect(await api.trashedRuns({})).toEqual([]);
  expect([existsSync(dir), existsSync(elsewhere)]).toEqual([true, false]);
});

it('deletes nothing outside of a trash', async () => {
  const dir = await createStoppedRun();
  await expect(deleteTrashed(dir)).rejects.toMatchObject({ code: 'file/not-found' });
  expect(existsSync(dir)).toBe(true);
});

it('does not move a run that has an engine to the trash', async () => {
  const dir = await createStoppedRun();
  writeState(dir, { pid: process.pid, state: 'running', heartbeat: Date.now(), hasStopped: false });
  expect(await errorCodeOf(app.service.api.trashRun({ id: 'oak' }))).toBe('run/already-running');
});
