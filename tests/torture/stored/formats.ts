/** @file Every format of file that Cambium writes for itself, with a valid example and its reader. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAborter } from '../../../src-main/base/signals.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import {
  createSavedPlan,
  sourceFromRecord,
  stagesFromRecord,
} from '../../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openTokens } from '../../../src-main/store/data/token-files.ts';
import { tokenizeFiles } from '../../../src-main/store/data/tokenize.ts';
import { readJson } from '../../../src-main/store/fs/files.ts';
import { readLock, tryLock } from '../../../src-main/store/fs/lock.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { readRemoteHosts, updateRemoteHosts } from '../../../src-main/store/home/remote-hosts.ts';
import { getGpuDir, readGpuManifest } from '../../../src-main/store/gpu/install.ts';
import { readJournals, writeJournal } from '../../../src-main/store/hub/journal.ts';
import { historyOf } from '../../../src-main/store/run/history.ts';
import { readNotes, writeNotes } from '../../../src-main/store/run/notes.ts';
import { createRun, openSession, readRun, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

export interface Format {
  /** The file that is changed. */
  readonly path: string;
  /** JSON is changed as a value; lines of JSON line by line. */
  readonly form: 'json' | 'lines';
  /** Reads the file as Cambium does. */
  read(): Promise<unknown>;
}

async function createGrown(dir: string): Promise<string> {
  const source = await makeTinyCheckpoint('llama', { dir: join(dir, 'source'), tokenizer: true });
  const { summary } = await openCheckpoint(source);
  const to = { hidden: 2 * summary.dims['hidden']! };
  const request = { method: 'hypercloning', to, options: {}, seed: 3, dtype: 'keep' } as const;
  const plan = createSavedPlan(summary, request, null);
  writeFileSync(join(dir, 'plan.json'), JSON.stringify(plan));
  const out = join(dir, 'grown');
  for await (const event of grow({ source, out, plan, device: 'cpu' }, createAborter().signal)) void event;
  return out;
}

async function createEvents(dir: string): Promise<void> {
  const session = await openSession(dir);
  const time = '2026-01-01T00:00:00Z';
  const events: readonly RunEvent[] = [
    {
      type: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'CPU',
      parameters: 10,
      steps: 40,
      trainTokens: 900,
      heldOutTokens: 100,
      time,
    },
    ...Array.from({ length: 5 }, (_, i): RunEvent => ({
      type: 'step',
      step: i + 1,
      loss: 5 - i,
      lr: 1e-3,
      gradNorm: 1,
      tokens: 64 * i,
      seconds: 0.5,
    })),
    { type: 'evaluated', step: 5, loss: 3, tokens: 64 },
    { type: 'sample', step: 5, prompt: 'a', text: 'b' },
    { type: 'saved', step: 5, dir: 'x' },
    { type: 'stopped', step: 5, reason: 'requested', time },
  ];
  for (const event of events) await session.append(event);
  await session.close();
}

/** Writes the examples into a folder. */
export async function createFormats(dir: string): Promise<Readonly<Record<string, Format>>> {
  const json = (path: string, read: () => Promise<unknown>): Format => ({ path, form: 'json', read });
  const grown = await createGrown(dir);
  const run = join(dir, 'run');
  const data = [join(dir, 'text.txt')];
  writeFileSync(data[0]!, 'the trees grow\n'.repeat(50));
  await createRun(run, { name: 'run', checkpoint: grown, data, settings: trainingDefaults, weights: [1] });
  await createEvents(run);
  await writeNotes(run, { name: 'a', tags: ['b'], notes: 'c' });
  const { folders } = await tokenizeFiles({
    data,
    tokenizerDir: grown,
    vocabSize: 260,
    cacheDir: join(dir, 'tokens'),
  });
  const home = openHome(join(dir, 'home'));
  await home.rememberCheckpoint(grown, 'grown');
  await home.rememberRun(run);
  await updateRemoteHosts(home.dir, () => [{ name: 'a', target: 'user@host', command: 'cambium' }]);
  const step = join(dir, 'step');
  mkdirSync(step);
  const record = {
    version: 2,
    step: 16,
    tokens: 512,
    seconds: 0.05,
    deviceSeconds: 0.09,
    joules: 3,
    trainTokens: 4530,
    cursor: 18,
    updates: 15,
    history: { losses: [6, 5], gradNorms: [2, 1], nonFinite: 1 },
    lossScale: { factor: 1024, finiteUpdates: 7 },
  };
  writeFileSync(join(step, 'step.json'), JSON.stringify(record));
  const repo = join(dir, 'models--org--model');
  const commit = 'a'.repeat(40);
  await writeJournal(repo, {
    version: 1,
    repo: 'org/model',
    revision: 'main',
    commit,
    files: [{ path: 'config.json', bytes: 7, etag: 'b'.repeat(40), sha256: false }],
    begun: '2026-01-01T00:00:00Z',
    complete: null,
  });
  const lock = join(dir, 'lock');
  await tryLock(lock, { note: 'work' });
  mkdirSync(getGpuDir(dir));
  const file = { name: 'a.so', bytes: 3, sha256: 'x', from: 'a.whl' };
  const manifest = { version: 1, runtime: '1.30.0', wheels: { 'a.whl': 'ab' }, files: [file], time: '' };
  writeFileSync(join(getGpuDir(dir), 'manifest.json'), JSON.stringify(manifest));
  const plan = join(dir, 'plan.json');
  return {
    'settings.json': json(join(run, 'settings.json'), () => readRun(run)),
    'events.jsonl': {
      path: join(run, 'events.jsonl'),
      form: 'lines',
      read: async () => [await summarizeRun(run), await historyOf(run)],
    },
    'state.json': json(join(run, 'state.json'), () => summarizeRun(run)),
    'notes.json': json(join(run, 'notes.json'), () => readNotes(run)),
    'step.json': json(join(step, 'step.json'), () => readStepRecord({ step: 16, dir: step })),
    'growth.json': json(join(grown, 'growth.json'), async () => {
      const { growth } = await openCheckpoint(grown);
      return [sourceFromRecord(growth), stagesFromRecord(growth, { before: true })];
    }),
    'plan.json': json(plan, async () => readPlan(await readJson(plan), plan)),
    'tokens.json': json(join(folders[0]!, 'tokens.json'), async () => (await openTokens(folders)).close()),
    'checkpoints.json': json(join(home.dir, 'checkpoints.json'), () => home.listCheckpoints()),
    'runs.json': json(join(home.dir, 'runs.json'), () => home.listRuns()),
    'places.json': json(join(home.dir, 'places.json'), () => readRemoteHosts(home.dir)),
    lock: json(lock, () => readLock(lock)),
    'manifest.json': json(join(getGpuDir(dir), 'manifest.json'), () => Promise.resolve(readGpuManifest(dir))),
    journal: json(join(repo, '.cambium', `${commit}.json`), () => readJournals(repo)),
  };
}

export const readExample = ({ path }: Format): string => readFileSync(path, 'utf8');
