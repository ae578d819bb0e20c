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
import { changeNotes, readNotes } from '../../../src-main/store/run/notes.ts';
import { createRun, openSession, readRun, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import type { InputKind, InputTable } from '../inputs/input-table.ts';
import { mutateJson, mutateText } from './mutate.ts';

const asJson: InputKind['mutate'] = (example, dice) =>
  Buffer.from(mutateJson(JSON.parse(example.toString()), dice));

/** JSON line by line. */
const asLines: InputKind['mutate'] = (example, dice) => {
  const lines = example.toString().trimEnd().split('\n');
  const mutated = lines.map((line) => (dice.below(3) === 0 ? mutateJson(JSON.parse(line), dice) : line));
  const text = `${mutated.join('\n')}\n`;
  return Buffer.from(dice.below(6) === 0 ? mutateText(text, dice) : text);
};

/** A file that `read` reads as Cambium does. */
function ofFile(path: string, read: () => Promise<unknown>, mutate: InputKind['mutate'] = asJson): InputKind {
  const example = readFileSync(path);
  return {
    example,
    mutate,
    read(bytes) {
      writeFileSync(path, bytes);
      return read();
    },
  };
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
export async function createFormats(dir: string): Promise<InputTable> {
  const grown = await createGrown(dir);
  const run = join(dir, 'run');
  const data = [join(dir, 'text.txt')];
  writeFileSync(data[0]!, 'the trees grow\n'.repeat(50));
  await createRun(run, { name: 'run', checkpoint: grown, data, settings: trainingDefaults, weights: [1] });
  await createEvents(run);
  await changeNotes(run, { name: 'a', tags: ['b'], notes: 'c' });
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
    'settings.json': ofFile(join(run, 'settings.json'), () => readRun(run)),
    'events.jsonl': ofFile(
      join(run, 'events.jsonl'),
      async () => [await summarizeRun(run), await historyOf(run)],
      asLines,
    ),
    'state.json': ofFile(join(run, 'state.json'), () => summarizeRun(run)),
    'notes.json': ofFile(join(run, 'notes.json'), () => readNotes(run)),
    'step.json': ofFile(join(step, 'step.json'), () => readStepRecord({ step: 16, dir: step })),
    'growth.json': ofFile(join(grown, 'growth.json'), async () => {
      const { growth } = await openCheckpoint(grown);
      return [sourceFromRecord(growth), stagesFromRecord(growth, { before: true })];
    }),
    'plan.json': ofFile(plan, async () => readPlan(await readJson(plan), plan)),
    'tokens.json': ofFile(join(folders[0]!, 'tokens.json'), async () => (await openTokens(folders)).close()),
    'checkpoints.json': ofFile(join(home.dir, 'checkpoints.json'), () => home.listCheckpoints()),
    'runs.json': ofFile(join(home.dir, 'runs.json'), () => home.listRuns()),
    'places.json': ofFile(join(home.dir, 'places.json'), () => readRemoteHosts(home.dir)),
    lock: ofFile(lock, () => readLock(lock)),
    'manifest.json': ofFile(join(getGpuDir(dir), 'manifest.json'), () =>
      Promise.resolve(readGpuManifest(dir)),
    ),
    journal: ofFile(join(repo, '.cambium', `${commit}.json`), () => readJournals(repo)),
  };
}
