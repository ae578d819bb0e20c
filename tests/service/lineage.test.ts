import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { growthRecordFile, trainingRecordFile } from '../../src-main/model/records.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { certificate } from '../support/fake-engine.ts';
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
    certificate: { ...certificate, maxLogit: 1e-5 },
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
        proof: { verdict: 'passed', promise: 'function-preserving', maxLogit: 1e-5 },
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

it('tells a run from random weights, and its export, from runs of the weights of a checkpoint', async () => {
  const { api } = app.service;
  const home = openHome(join(app.dir, 'home'));
  const checkpoint = createCheckpoint('grown', growthRecordFile, {
    version: 1,
    source: '/gone/source',
    method: 'hypercloning',
    plan: {},
    certificate: null,
  });
  for (const init of ['checkpoint', 'random'] as const) {
    const run = join(app.dir, init);
    const settings = { ...trainingDefaults, init };
    await createRun(run, { checkpoint, data: ['/t'], settings, name: init });
    await home.rememberRun(run);
    const record = { version: 1, run, step: 2, ...(init === 'random' ? { init } : {}) };
    const exported = createCheckpoint(`${init}-export`, trainingRecordFile, record);
    await home.rememberCheckpoint(exported, exported);
  }

  const { nodes, edges } = await api.lineage({});
  const initOf = (name: string): unknown => nodes.find((node) => node.name === name)?.run?.init;
  expect([initOf('random'), initOf('checkpoint')]).toEqual(['random', 'checkpoint']);
  const marked = edges.filter((edge) => edge.init === 'random').map(({ kind, to }) => [kind, to]);
  expect(marked.sort()).toEqual([
    ['exported', join(app.dir, 'random-export')],
    ['trained', join(app.dir, 'random')],
  ]);
});

it.each([
  [
    'of version 1',
    {
      tokens: 4,
      rmsLogit: 1,
      kl: 0,
      lossSource: 1,
      lossGrown: 1,
      agreement: 1,
      tolerance: 1e-4,
      device: 'cpu',
      text: 'own',
      maxLogit: 1e-5,
      promise: 'approximate',
      passed: true,
    },
    { verdict: 'measured', promise: 'none', maxLogit: 1e-5 },
  ],
  ['that cannot be read', { promise: 'exact' }, null],
])('reads a certificate %s', async (_, stored, proof) => {
  const home = openHome(join(app.dir, 'home'));
  const grown = createCheckpoint('grown', growthRecordFile, {
    version: 1,
    source: '/gone/source',
    method: 'stack',
    plan: {},
    certificate: stored,
  });
  await home.rememberCheckpoint(grown, grown);
  const { edges } = await app.service.api.lineage({});
  expect(edges.find(({ to }) => to === grown)).toMatchObject({ proof });
});

it.skipIf(process.platform === 'win32')(
  'shows nothing of a record that is a link out of the folder',
  async () => {
    const home = openHome(join(app.dir, 'home'));
    const grown = createCheckpoint('grown', growthRecordFile, {});
    const outside = join(app.dir, 'outside.json');
    writeFileSync(outside, JSON.stringify({ source: '/secret', method: 'x' }));
    rmSync(join(grown, growthRecordFile));
    symlinkSync(outside, join(grown, growthRecordFile));
    await home.rememberCheckpoint(grown, 'grown');
    expect(JSON.stringify(await app.service.api.lineage({}))).not.toContain('secret');
  },
);
