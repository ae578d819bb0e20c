/**
 * @file Every file and folder of a run, a model and the home in turn is missing, is a folder or a file in the place of
 * the other, is a link to itself, or may not be read. Whatever is opened then works or is refused with a typed error.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { createService, type RunningService } from '../../src-main/service/service.ts';
import { momentsFile, openStepMoments } from '../../src-main/store/checkpoint/moments.ts';
import { openTokenizer } from '../../src-main/store/data/tokenizer.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { updateRemoteHosts } from '../../src-main/store/home/remote-hosts.ts';
import { deleteLaterCheckpoints } from '../../src-main/store/run/checkpoints.ts';
import { costFile } from '../../src-main/cost/record.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import {
  claimRun,
  closeRun,
  createRun,
  openSession,
  requestDecay,
  requestStop,
  saveStep,
  savedSteps,
} from '../../src-main/store/run/runs.ts';
import { keepStageSource, requestGrowth } from '../../src-main/store/run/stage-files.ts';
import { readStepRecord } from '../../src-main/store/run/step-record.ts';
import { fakeProcesses } from '../support/fake-processes.ts';
import { freePath, freshFolder } from '../support/temporary.ts';
import { noTunnel, root, testEnvironment, trainingSettings } from '../support/test-service.ts';
import { makeTinyCheckpoint, tinyVocab } from '../support/tiny.ts';
import { startedAt, stepAt, stoppedAt } from '../store/run/run-fixtures.ts';

const template = freshFolder();
const time = '2026-01-01T00:00:00Z';

/** step.json of version 2. */
const record = (step: number): object => ({
  version: 2,
  step,
  tokens: 64 * step,
  seconds: 1,
  deviceSeconds: 1,
  joules: null,
  trainTokens: 900,
  cursor: step,
  updates: step,
  history: { losses: [5], gradNorms: [1], nonFinite: 0 },
  lossScale: { factor: 1024, finiteUpdates: 1 },
});

async function createTemplate(): Promise<void> {
  const model = await makeTinyCheckpoint('llama', {
    dir: join(template, 'model'),
    tokenizer: true,
    shards: 2,
  });
  writeFileSync(join(model, 'generation_config.json'), '{"temperature":0.5}');
  writeFileSync(join(model, 'README.md'), '---\nlicense: mit\n---\n');
  const run = join(template, 'run');
  const text = join(template, 'text.txt');
  writeFileSync(text, 'the trees grow\n'.repeat(50));
  await createRun(run, { name: 'run', checkpoint: model, data: [text], settings: trainingSettings() });
  const session = await openSession(run);
  for (const event of [startedAt(0), stepAt(1), stepAt(2), stoppedAt(2, 'requested')])
    await session.append(event);
  await session.close();
  for (const step of [1, 2])
    await saveStep(run, step, async (folder) => {
      const weights = await makeTinyCheckpoint('llama', { dir: join(folder, 'model') });
      cpSync(join(weights, 'model.safetensors'), join(folder, momentsFile));
      writeFileSync(join(folder, 'step.json'), JSON.stringify(record(step)));
    });
  for (const [name, content] of Object.entries({ 'notes.json': '{}', [costFile]: '{}', 'log.txt': 'a\n' }))
    writeFileSync(join(run, name), content);
  const home = openHome(join(template, 'home'));
  await home.rememberCheckpoint(model, 'model');
  await home.rememberRun(run);
  await updateRemoteHosts(home.dir, () => [{ name: 'a', target: 'user@host', command: 'cambium' }]);
  mkdirSync(join(home.dir, 'runs'), { recursive: true });
}

interface Place {
  readonly run: string;
  readonly model: string;
  readonly home: string;
}

const growth = { method: 'hypercloning', to: { hidden: 32 }, options: {}, seed: 1, dtype: 'keep' } as const;

/** Everything that reads the folders. */
const reads: Readonly<Record<string, (api: Service, place: Place) => unknown>> = {
  run: (api, { run }) => api.run({ id: run }),
  runs: (api) => api.runs({}),
  openRun: (api, { run }) => api.openRun({ id: run }),
  runCheckpoints: (api, { run }) => api.runCheckpoints({ id: run }),
  runHistory: (api, { run }) => api.runHistory({ id: run }),
  'a range of runHistory': (api, { run }) => api.runHistory({ id: run, from: 1, to: 2 }),
  runCost: (api, { run }) => api.runCost({ id: run }),
  diagnostics: (api, { run }) => api.diagnostics({ run }),
  lineage: (api) => api.lineage({}),
  queue: (api) => api.queue({}),
  checkpoints: (api) => api.checkpoints({}),
  openCheckpoint: (api, { model }) => api.openCheckpoint({ dir: model }),
  planGrowth: (api, { model }) => api.planGrowth({ dir: model, request: growth }),
  'planGrowth of a run': (api, { run }) => api.planGrowth({ dir: run, request: growth }),
  appSettings: (api) => api.appSettings({}),
  remoteHosts: (api) => api.remoteHosts({}),
  bakeoffs: (api) => api.bakeoffs({}),
  tunings: (api) => api.tunings({}),
  trashedRuns: (api) => api.trashedRuns({}),
  costs: (api, { model }) => api.costs({ dir: model }),
  'listFolder of the run': (api, { run }) => api.listFolder({ dir: run }),
  'listFolder of the model': (api, { model }) => api.listFolder({ dir: model }),
  openTokenizer: (_, { model }) => openTokenizer(model, tinyVocab),
  events: (_, { run }) => readEvents(run),
  'each step': async (_, { run }) => {
    for (const saved of await savedSteps(run)) {
      await readStepRecord(saved);
      await openStepMoments(saved.dir);
    }
  },
};

/** Everything that changes them, in this order. */
const changes: Readonly<Record<string, (api: Service, place: Place) => unknown>> = {
  keepStageSource: async (_, { run }) => {
    for (const saved of await savedSteps(run)) await keepStageSource(run, saved);
  },
  annotateRun: (api, { run }) => api.annotateRun({ id: run, notes: 'a' }),
  claimRun: (_, { run }) => claimRun(run, { settings: trainingSettings() }),
  closeRun: (_, { run }) => closeRun(run, { type: 'stopped', step: 2, reason: 'requested', time }),
  openSession: async (_, { run }) => (await openSession(run, { after: 2 })).close(),
  requests: async (_, { run }) => {
    await requestDecay(run);
    await requestGrowth(run, 1);
    await requestStop(run);
  },
  remember: async (_, { home, run, model }) => {
    const opened = openHome(home);
    await opened.rememberRun(run);
    await opened.rememberCheckpoint(model, 'model');
    await updateRemoteHosts(home, (hosts) => hosts);
  },
  changeAppSettings: (api) => api.changeAppSettings({ theme: 'dark' }),
  deleteCheckpoint: (api, { run }) => api.deleteCheckpoint({ id: run, step: 1 }),
  deleteLaterCheckpoints: (_, { run }) => deleteLaterCheckpoints(run, 2),
  trashRun: async (api, { run }) => {
    const { trashed } = await api.trashRun({ id: run });
    return api.restoreRun({ trashed });
  },
};

type Damage = (path: string) => void;
const remove: Damage = (path) => {
  rmSync(path, { recursive: true });
};
const loop: Damage = (path) => {
  remove(path);
  symlinkSync(basename(path), path);
};
const forbid: Damage = (path) => {
  chmodSync(path, 0);
};
/** Changes fail at these as at a file that is missing. */
const unreadable = [loop, forbid];
const damages: Readonly<Record<string, Damage>> = {
  'is missing': remove,
  'is a folder in the place of a file, or a file in that of a folder': (path) => {
    const isFolder = statSync(path).isDirectory();
    remove(path);
    if (isFolder) writeFileSync(path, 'x');
    else mkdirSync(path);
  },
  'is a link to itself': loop,
  // Root may read everything.
  ...(process.getuid?.() === 0 ? {} : { 'may not be read': forbid }),
};

/** Paths from the template to all files and folders of a folder, itself included. */
const listPaths = (name: string): readonly string[] => [
  name,
  ...readdirSync(join(template, name), { recursive: true, withFileTypes: true }).map((entry) =>
    relative(template, join(entry.parentPath, entry.name)),
  ),
];

const startService = ({ home }: Place): RunningService =>
  createService({
    home: openHome(home),
    processes: fakeProcesses(),
    environment: { ...testEnvironment, resources: join(root, 'resources') },
    tunnel: noTunnel,
  });

/** What is thrown that is no typed error. */
async function listRawErrors(
  damaged: string,
  damage: Damage,
  uses: typeof reads,
): Promise<readonly string[]> {
  const dir = freePath();
  cpSync(template, dir, { recursive: true });
  const place = { run: join(dir, 'run'), model: join(dir, 'model'), home: join(dir, 'home') };
  const raw: string[] = [];
  damage(join(dir, damaged));
  const service = startService(place);
  for (const [name, use] of Object.entries(uses))
    try {
      await use(service.api, place);
    } catch (error) {
      if (!(error instanceof AppError))
        raw.push(`${damaged}: ${name}: ${(error as Error).stack ?? String(error)}`);
    }
  await service.close();
  if (damage === forbid) chmodSync(join(dir, damaged), 0o700);
  rmSync(dir, { recursive: true, force: true });
  return raw;
}

describe.skipIf(process.platform === 'win32')('a folder of which a part', () => {
  beforeAll(createTemplate);
  afterAll(() => {
    rmSync(template, { recursive: true, force: true });
  });

  it.each(Object.keys(damages))(
    '%s is opened, or refused with a typed error',
    async (name) => {
      const damage = damages[name]!;
      const uses = unreadable.includes(damage) ? reads : { ...reads, ...changes };
      const raw: string[] = [];
      for (const path of ['run', 'model', 'home'].flatMap(listPaths))
        raw.push(...(await listRawErrors(path, damage, uses)));
      expect(raw).toEqual([]);
    },
    180_000,
  );

  it('is opened without an error when nothing is damaged', async () => {
    const dir = freePath();
    cpSync(template, dir, { recursive: true });
    const place = { run: join(dir, 'run'), model: join(dir, 'model'), home: join(dir, 'home') };
    const service = startService(place);
    for (const use of Object.values({ ...reads, ...changes })) await use(service.api, place);
    await service.close();
  });
});
