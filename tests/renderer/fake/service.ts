/** @file A service in memory with fixed data, for tests of the page and for its preview. */
import { createFakeBakeoffs } from './bakeoff.ts';
import { createFakeTunings } from './tuning.ts';
import { refuse, type AppError } from '../../../src-main/base/errors.ts';
import { formatQuantity } from '../../../src-main/base/format.ts';
import { appSettingDefaults } from '../../../src-main/contract/app-settings.ts';
import type { CostFacts } from '../../../src-main/contract/cost.ts';
import type { RemoteHost } from '../../../src-main/contract/remote-hosts.ts';
import type { Folder } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import { estimate } from '../../../src-main/cost/estimate.ts';
import { createActivityFeed } from '../../../src-main/service/activity.ts';
import { book, measuredCpu } from '../../cost/subjects.ts';
import { createFakeGrowth } from './growth.ts';
import { createFakeHub } from './hub.ts';
import { createFakeInference } from './inference.ts';
import { createFakeJobs } from './jobs.ts';
import { createCheckpoints, demoDir, devices, grownDir } from './models.ts';
import { createFakeRuns } from './runs.ts';
import { sleep } from './sleep.ts';

interface FakeOptions {
  /** Thrown when a checkpoint is opened. */
  readonly openError?: AppError;
}
export type FakeService = Service & {
  /** The names of the procedures that were called. */
  readonly calls: readonly string[];
};

/** `pace` is the time between two events of a stream, in milliseconds. */
export function createFakeService(pace: number, { openError }: FakeOptions = {}): FakeService {
  const checkpoints = createCheckpoints();
  const jobs = createFakeJobs();
  const known = [...checkpoints.values()].map(({ dir, name }, i) => ({
    dir,
    name,
    opened: new Date(Date.now() - i * 7_000_000).toISOString(),
    builtIn: dir === demoDir,
  }));
  const runs = createFakeRuns(pace);
  let settings = appSettingDefaults;
  const activity = createActivityFeed({
    jobs: () => jobs.list,
    runs: () => runs.runs({}),
    run: (id) => runs.run({ id }),
    checkpoints: async () => known,
    queue: () => runs.queue({}),
  });
  const service: Service = {
    about: async () => ({
      version: '0.1.0',
      home: '/home/me/.cambium',
      demo: demoDir,
      platform: 'linux',
      node: '24.21.0',
      desktop: false,
    }),
    ...fakeDevices,
    ...fakeTorch,
    diagnostics: async () => ({ text: '# Cambium 0.1.0\n\n## Devices\ncpu: Processor (2 cores)\n' }),
    activity: (_, signal) => activity(signal),
    checkpoints: async () => known,
    openCheckpoint: async ({ dir }) => {
      if (openError) throw openError;
      return checkpoints.get(dir) ?? refuse('file/not-found', { path: dir });
    },
    checkCheckpoint: async ({ text }) => {
      await sleep(pace);
      return {
        verdict: 'plausible',
        why: 'its loss 2.00 is below 4.00, which the frequencies of the tokens alone would give',
        tokens: 8,
        loss: 2,
        entropy: 1.8,
        uniform: 6,
        unigram: 4,
        byPosition: null,
        nonFinite: 0,
        text: text ?? 'built-in English text',
        contextLength: 8,
        device: 'cpu',
      };
    },
    writeLogits: async ({ models, out }) => ({
      text: 'built-in English text',
      tokens: 8,
      files: models.map((model, i) => ({ model, logits: `${out}/logits-${i}.safetensors` })),
    }),
    forgetCheckpoint: async ({ dir }) => {
      known.splice(
        known.findIndex((checkpoint) => checkpoint.dir === dir),
        1,
      );
      return {};
    },
    appSettings: async () => settings,
    changeAppSettings: async (change) => {
      settings = { ...settings, ...change };
      return settings;
    },
    exampleText: async () => ({ path: '/home/me/.cambium/examples/stories.txt' }),
    listFolder: async ({ dir = '/data' }) => createFolder(dir),
    locateCheckpoint: async ({ name }) => ({
      dirs: [...checkpoints.keys()].filter((dir) => dir.endsWith(`/${name}`)),
    }),
    openRun: async ({ id }) => ({ ...checkpoints.get(grownDir)!, name: `${id}, step 200` }),
    jobs: async () => [...jobs.list],
    cancelJob: async ({ id }) => {
      jobs.setState(id, 'cancelled');
      return {};
    },
    lineage: () => createLineage(runs),
    ...runs,
    ...createFakeGrowth(pace, jobs, checkpoints),
    ...createFakeInference(pace),
    ...createFakeHub(pace, jobs, checkpoints.get('/data/stories260K')!),
    ...createFakeRemoteHosts(),
    ...createFakeCosts(checkpoints),
    ...createFakeTunings(pace, jobs),
    ...createFakeBakeoffs(pace, jobs),
  };
  return countCalls(service);
}

const fakeTorch: Pick<Service, 'torchStatus' | 'installTorch' | 'removeTorch'> = {
  torchStatus: async () => ({ command: '/home/me/.cambium/torch/bin/python', isChosen: false, found: null }),
  async *installTorch() {
    yield { type: 'done', status: await fakeTorch.torchStatus({}) };
  },
  removeTorch: async () => ({ removed: false }),
};

const fakeDevices: Pick<Service, 'devices' | 'gpuStatus' | 'installGpu' | 'removeGpu' | 'doctor'> = {
  devices: async () => devices,
  gpuStatus: async () => ({
    possible: true,
    needed: '1.30.0',
    folder: '/home/you/.local/share/cambium/gpu',
    installed: null,
    libraries: [{ name: 'libcuda.so.1', found: false, carrier: null }],
    packages: [],
  }),
  async *installGpu() {
    yield { type: 'unpacking' as const, what: 'libonnxruntime_providers_cuda.so', done: 1, of: 1 };
  },
  removeGpu: async () => ({ removed: false }),
  doctor: async () => [
    { what: 'ONNX Runtime', ok: true, found: '1.30.0, with CPU and WebGPU' },
    { what: 'Space on disk', ok: true, found: '212 GB free in /home/me/.cambium' },
    {
      what: 'NVIDIA driver',
      ok: false,
      found: 'libcuda.so.1 was not found',
      remedy: 'Install the NVIDIA driver of your system, then run: cambium gpu install',
    },
  ],
};

function createFolder(dir: string): Folder {
  const checkpointOf = (name: string) => ({
    name,
    path: `${dir}/${name}`,
    folder: true,
    bytes: 0,
    checkpoint: true,
  });
  const text = 'shakespeare.txt';
  return {
    path: dir,
    parent: dir === '/' ? null : dir.replace(/\/[^/]*$/, '') || '/',
    entries: [
      checkpointOf('gpt2'),
      { ...checkpointOf('notes'), checkpoint: false },
      checkpointOf('stories260K'),
      { name: text, path: `${dir}/${text}`, folder: false, bytes: 1_115_394, checkpoint: false },
    ],
  };
}

async function createLineage({ runs }: Pick<Service, 'runs'>): ReturnType<Service['lineage']> {
  const all = await runs({});
  return {
    nodes: [
      { dir: '/data/stories260K', kind: 'checkpoint', name: 'stories260K' },
      { dir: grownDir, kind: 'checkpoint', name: 'stories-grown' },
      ...all.map(({ id, dir, name, state, loss, heldOutLoss, settings }) => ({
        dir,
        kind: 'run' as const,
        name,
        run: { id, state, loss, heldOutLoss, init: settings.init },
      })),
    ],
    edges: [
      {
        from: '/data/stories260K',
        to: grownDir,
        kind: 'grown',
        what: 'hypercloning',
        proof: { verdict: 'passed', promise: 'function-preserving', maxLogit: 2.1e-5 },
      },
      ...all.map(({ checkpoint, dir, tokens, settings }) => ({
        from: checkpoint,
        to: dir,
        kind: 'trained' as const,
        what: formatQuantity(tokens, 'token'),
        ...(settings.init === 'random' ? { init: 'random' as const } : {}),
      })),
    ],
  };
}

function createFakeRemoteHosts(): Pick<
  Service,
  'remoteHosts' | 'addRemoteHost' | 'removeRemoteHost' | 'openRemote' | 'sendToRemote'
> {
  let hosts: readonly RemoteHost[] = [];
  return {
    remoteHosts: async () => hosts,
    addRemoteHost: async (host) => {
      if (hosts.some(({ name }) => name === host.name)) refuse('remote/exists', { host: host.name });
      hosts = [...hosts, host];
      return hosts;
    },
    removeRemoteHost: async ({ name }) => {
      hosts = hosts.filter((host) => host.name !== name);
      return hosts;
    },
    openRemote: ({ name }) =>
      refuse('remote/unreachable', { host: name, why: 'the fake service has no network' }),
    sendToRemote: async () => ({}),
  };
}

function createFakeCosts(
  checkpoints: ReturnType<typeof createCheckpoints>,
): Pick<Service, 'costs' | 'estimate' | 'setAssumptions' | 'measureDevice'> {
  let facts: CostFacts = {
    book,
    targets: [measuredCpu],
    assumptions: assumptionDefaults,
    sourceParameters: 260_000,
    free: 212e9,
  };
  return {
    costs: async () => facts,
    estimate: async ({ dir, training, assumptions = {} }) =>
      estimate({
        subject: checkpoints.get(dir) ?? refuse('file/not-found', { path: dir }),
        training,
        ...facts,
        assumptions: { ...facts.assumptions, ...assumptions },
      }),
    setAssumptions: async (change) => {
      facts = { ...facts, assumptions: { ...facts.assumptions, ...change } };
      return facts.assumptions;
    },
    measureDevice: async () => ({ device: measuredCpu.id, measured: measuredCpu.measured! }),
  };
}

function countCalls(service: Service): FakeService {
  const calls: string[] = [];
  const counted = Object.entries(service).map(([name, procedure]) => [
    name,
    (...args: [never]) => {
      calls.push(name);
      return (procedure as (...all: [never]) => unknown)(...args);
    },
  ]);
  return Object.assign(Object.fromEntries(counted) as unknown as Service, { calls });
}
