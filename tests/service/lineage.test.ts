import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { growthRecordFile, trainingRecordFile } from '../../src-main/model/records.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { startTestService, type TestService } from '../support/test-service.ts';

let app: TestService;
beforeEach(() => {
  app = startTestService();
});
afterEach(() => app.cleanUp());

/** Creates a folder with a config.json and a record; returns its path. */
function createCheckpoint(name: string, recordFile: string, record: unknown): string {
  const dir = join(app.dir, name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'config.json'), '{}');
  writeFileSync(join(dir, recordFile), JSON.stringify(record));
  return dir;
}

it('connects source, grown checkpoint, run and export, including deleted folders', async () => {
  const { api } = app.service;
  const home = openHome(join(app.dir, 'home'));
  const grown = createCheckpoint('grown', growthRecordFile, {
    version: 1,
    source: '/gone/source',
    method: 'hypercloning',
    plan: {},
    certificate: { passed: true, promise: 'exact', maxLogit: 1e-5 },
  });
  const run = join(app.dir, 'oak');
  await createRun(run, { checkpoint: grown, data: ['/t'], settings: trainingDefaults, name: 'oak' });
  await home.rememberRun(run);
  const exported = createCheckpoint('export', trainingRecordFile, { version: 1, run, step: 40 });
  const grownAgain = createCheckpoint('again', growthRecordFile, {
    version: 1,
    source: join(run, 'checkpoints', 'step-000040', 'model'),
    method: 'identity',
    plan: {},
    certificate: null,
  });
  for (const dir of [grown, exported, grownAgain]) await home.rememberCheckpoint(dir, dir);

  const { nodes, edges } = await api.lineage({});
  const ours = edges.filter(({ from }) => from.startsWith(app.dir) || from === '/gone/source');
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
      { from: grown, to: run, kind: 'trained', what: '0 tokens' },
      { from: run, to: exported, kind: 'exported', what: 'step 40' },
      { from: run, to: grownAgain, kind: 'grown', what: 'identity', proof: null },
    ]),
  );
  const source = nodes.find(({ dir }) => dir === '/gone/source');
  expect(source).toMatchObject({ kind: 'checkpoint', name: 'source', gone: true });
  const dirs = new Set(nodes.map(({ dir }) => dir));
  expect(dirs.size).toBe(nodes.length);
  for (const { from, to } of edges) expect([dirs.has(from), dirs.has(to)]).toEqual([true, true]);
});
