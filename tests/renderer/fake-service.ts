/** @file A service in memory that behaves like the real one, for looking at the page and for its tests. */
import { AppError, refuse } from '../../src-main/base/errors.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import type {
  Certificate,
  CheckpointCard,
  Device,
  Folder,
  GrowEvent,
  JobCard,
  RunCard,
  RunEvent,
} from '../../src-main/contract/schema.ts';
import type { PlaceCard } from '../../src-main/contract/remote-hosts.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { createActivity } from '../../src-main/service/activity.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import { checkSource, markOf, methodsIn, savedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import type { CostFacts } from '../../src-main/contract/cost.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate } from '../../src-main/cost/estimate.ts';
import { book, cpu } from '../cost/subjects.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { groupCounts, parameterCount, parametersOf } from '../../src-main/model/parameters.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { fakeHub } from './fake-hub.ts';

export const stories: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 5,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 8,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};
export const small: JsonObject = {
  model_type: 'gpt2',
  vocab_size: 50_257,
  n_positions: 1024,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_inner: null,
};
/**
 * As large as the models of seven thousand million parameters that are published: from this alone a plan must
 * follow a slider.
 */
export const large: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
};

export function cardOf(config: JsonObject, dir: string, more: Partial<CheckpointCard> = {}): CheckpointCard {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parameterCount(family, dims, settings);
  return {
    dir,
    name: dir.split('/').pop()!,
    family: family.id,
    familyTitle: family.title,
    dims,
    settings,
    config,
    dtypes: ['float32'],
    parameters,
    groups: groupCounts(family, dims, settings),
    bytes: 4 * parameters,
    shards: 1,
    tied: settings['tied'] === true,
    tokenizer: { kind: 'BPE', size: dims['vocab']! },
    tensors: parametersOf(family, dims, settings).map(({ name, shape }) => ({
      name,
      dtype: 'float32',
      shape,
    })),
    ...more,
  };
}

export const certificate: Certificate = {
  tokens: 2048,
  maxLogit: 2.1e-5,
  rmsLogit: 6.31,
  kl: 3.4e-12,
  lossSource: 1.28731,
  lossGrown: 1.28731,
  agreement: 1,
  promise: 'exact',
  tolerance: 1e-4,
  passed: true,
  device: 'cpu',
  text: 'text the source wrote itself',
};
const devices: readonly Device[] = [
  { id: 'cpu', name: 'Processor (2 cores)', available: true, memory: 16e9, free: 11.2e9 },
  { id: 'webgpu', name: 'WebGPU: SwiftShader', available: true, software: true, memory: null, free: null },
  {
    id: 'cuda',
    name: 'NVIDIA GPU',
    available: false,
    why: 'No NVIDIA driver was found. Install it, then run cambium gpu install.',
    memory: null,
    free: null,
  },
];

export const lossAt = (step: number): number =>
  1.45 +
  2.6 * Math.exp(-step / 40) +
  0.8 / Math.sqrt(step + 1) +
  0.06 * Math.sin(step * 12.9898) * Math.cos(step * 4.1);
/** The events of a run up to `until`, as its file would hold them. */
export function eventsOf(
  settings: TrainingSettings,
  until: number,
  ending?: 'finished' | 'asked',
): RunEvent[] {
  const perStep = settings.batch * settings.sequence * settings.accumulate;
  const steps = Math.ceil(settings.tokens / perStep);
  const out: RunEvent[] = [
    { at: 'preparing', what: 'Reading shakespeare.txt', done: 1, of: 1 },
    {
      at: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'Processor (2 cores)',
      parameters: 1_045_632,
      steps,
      trainTokens: 480_000,
      heldOutTokens: 9600,
      time: '2026-11-21T08:00:00Z',
    },
    { at: 'evaluated', step: 0, loss: 4.72, tokens: 0 },
  ];
  for (let step = 1; step <= until; step++) {
    out.push({
      at: 'step',
      step,
      loss: lossAt(step),
      lr:
        settings.lr *
        Math.min(1, step / settings.warmup) *
        (0.55 + 0.45 * Math.cos((Math.PI * step) / steps)),
      norm: 0.6 + 2 / step ** 0.5,
      tokens: step * perStep,
      seconds: 0.21 + 0.01 * Math.sin(step),
    });
    if (step % 100 === 0)
      out.push(
        { at: 'evaluated', step, loss: lossAt(step) + 0.08, tokens: step * perStep },
        {
          at: 'sample',
          step,
          prompt: 'Once upon a time',
          text: `, there was a little king who said at step ${step}: “Good morrow, my lord, and what a day to grow.”`,
        },
      );
    if (step % 200 === 0) out.push({ at: 'saved', step, dir: `/runs/a/step-${step}` });
  }
  if (ending) out.push({ at: 'stopped', step: until, reason: ending, time: '2026-11-21T08:05:00Z' });
  return out;
}

interface FakeRun {
  card: RunCard;
  events: RunEvent[];
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const live = (state: RunCard['state']): boolean =>
  state === 'running' || state === 'preparing' || state === 'pausing';

/** `pace` milliseconds pass between two events of anything. */
export function fakeService(
  pace: number,
  options: { refuseToOpen?: AppError } = {},
): Service & { readonly calls: string[] } {
  const calls: string[] = [];
  let costFacts: CostFacts = {
    book,
    targets: [cpu],
    assumptions: assumptionDefaults,
    sourceParameters: 260_000,
    free: 212e9,
  };
  const cards = new Map<string, CheckpointCard>([
    [
      '/opt/cambium/resources/seedling',
      cardOf(stories, '/opt/cambium/resources/seedling', { name: 'Seedling' }),
    ],
    ['/data/stories260K', cardOf(stories, '/data/stories260K')],
    ['/data/gpt2', cardOf(small, '/data/gpt2', { shards: 3 })],
    ['/data/seven-billion', cardOf(large, '/data/seven-billion', { shards: 2 })],
    [
      '/home/me/.cambium/checkpoints/stories-grown',
      cardOf(
        {
          ...stories,
          hidden_size: 128,
          intermediate_size: 344,
          num_key_value_heads: 8,
          num_attention_heads: 16,
        },
        '/home/me/.cambium/checkpoints/stories-grown',
        { grownFrom: { source: '/data/stories260K', method: 'hypercloning', certificate } },
      ),
    ],
  ]);
  const known = [...cards.values()].map((card, i) => ({
    dir: card.dir,
    name: card.name,
    opened: new Date(Date.now() - i * 7_000_000).toISOString(),
    builtIn: i === 0,
  }));
  const jobs: JobCard[] = [];
  const boxes: PlaceCard[] = [];
  const runs = new Map<string, FakeRun>();
  const trashed = new Map<string, FakeRun>();
  const addRun = (
    id: string,
    name: string,
    state: RunCard['state'],
    events: RunEvent[],
    settings: TrainingSettings,
    more: Partial<RunCard> = {},
  ): FakeRun => {
    const step = events.reduce((n, e) => (e.at === 'step' ? e.step : n), 0);
    const steps = Math.ceil(settings.tokens / (settings.batch * settings.sequence * settings.accumulate));
    const run: FakeRun = {
      events,
      card: {
        id,
        dir: `/home/me/.cambium/runs/${id}`,
        name,
        checkpoint: '/home/me/.cambium/checkpoints/stories-grown',
        data: ['/data/shakespeare.txt'],
        settings,
        state,
        step,
        steps,
        tokens: step * settings.batch * settings.sequence,
        loss: step ? lossAt(step) : null,
        heldOutLoss: null,
        seconds: step * 0.21,
        created: new Date(Date.now() - 4e6).toISOString(),
        savedStep: step >= 200 ? Math.floor(step / 200) * 200 : null,
        ...more,
      },
    };
    runs.set(id, run);
    return run;
  };
  addRun(
    'a',
    'stories ×2 on Shakespeare',
    'finished',
    eventsOf({ ...trainingDefaults, tokens: 819_200 }, 400, 'finished'),
    { ...trainingDefaults, tokens: 819_200 },
  );
  addRun(
    'b',
    'Same size from random weights',
    'failed',
    [
      ...eventsOf(trainingDefaults, 130),
      {
        at: 'stopped',
        step: 130,
        reason: 'failed',
        error: { code: 'run/not-finite', detail: { step: 130, what: 'loss' } },
        time: '',
      },
    ],
    trainingDefaults,
    { error: { code: 'run/not-finite', detail: { step: 130, what: 'loss' } } },
  );

  async function train(run: FakeRun): Promise<void> {
    const all = eventsOf(run.card.settings, run.card.steps, 'finished');
    let i = run.events.length;
    run.card = { ...run.card, state: 'running' };
    for (; i < all.length; i++) {
      await sleep(pace);
      if (run.card.state === 'pausing') {
        run.events.push(
          { at: 'saved', step: run.card.step, dir: 'x' },
          { at: 'stopped', step: run.card.step, reason: 'asked', time: new Date().toISOString() },
        );
        run.card = { ...run.card, state: 'paused', savedStep: run.card.step };
        return;
      }
      const event = all[i]!;
      run.events.push(event);
      if (event.at === 'step')
        run.card = { ...run.card, step: event.step, loss: event.loss, tokens: event.tokens };
      if (event.at === 'saved') run.card = { ...run.card, savedStep: event.step };
    }
    run.card = { ...run.card, state: 'finished' };
  }
  const runOf = (id: string): FakeRun => runs.get(id) ?? refuse('run/not-found', { run: id });
  const jobOf = (id: string): JobCard => jobs.find((job) => job.id === id)!;
  const setJob = (id: string, change: Partial<JobCard>): void => {
    jobs[jobs.findIndex((job) => job.id === id)] = { ...jobOf(id), ...change };
  };

  const activity = createActivity({
    jobs: () => jobs,
    runs: () => service.runs({}),
    run: (id) => service.run({ id }),
    checkpoints: () => service.checkpoints({}),
  });
  const service: Service = {
    about: async () => ({
      version: '0.1.0',
      home: '/home/me/.cambium',
      demo: '/opt/cambium/resources/seedling',
      platform: 'linux',
      node: '24.21.0',
      desktop: false,
    }),
    devices: async () => devices,
    gpu: async () => ({
      possible: true,
      needed: '1.30.0',
      folder: '/home/you/.local/share/cambium/gpu',
      installed: null,
      libraries: [{ name: 'libcuda.so.1', found: false, carrier: null }],
      packages: [],
    }),
    async *installGpu() {
      yield { at: 'unpacking' as const, what: 'libonnxruntime_providers_cuda.so', done: 1, of: 1 };
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
    diagnostics: async () => ({ text: '# Cambium 0.1.0\n\n## Devices\ncpu: Processor (2 cores)\n' }),
    activity: (_, signal) => activity(signal),
    checkpoints: async () => known,
    openCheckpoint: async ({ dir }) => {
      if (options.refuseToOpen) throw options.refuseToOpen;
      return cards.get(dir) ?? refuse('file/not-found', { path: dir });
    },
    forget: async ({ dir }) => {
      known.splice(
        known.findIndex((item) => item.dir === dir),
        1,
      );
      return {};
    },
    browse: async ({ dir = '/data' }): Promise<Folder> => ({
      path: dir,
      parent: dir === '/' ? null : dir.replace(/\/[^/]*$/, '') || '/',
      entries: [
        { name: 'gpt2', path: `${dir}/gpt2`, folder: true, bytes: 0, checkpoint: true },
        { name: 'notes', path: `${dir}/notes`, folder: true, bytes: 0, checkpoint: false },
        { name: 'stories260K', path: `${dir}/stories260K`, folder: true, bytes: 0, checkpoint: true },
        {
          name: 'shakespeare.txt',
          path: `${dir}/shakespeare.txt`,
          folder: false,
          bytes: 1_115_394,
          checkpoint: false,
        },
      ],
    }),
    locate: async ({ name }) => ({ dirs: [...cards.keys()].filter((dir) => dir.endsWith(`/${name}`)) }),
    planGrowth: async ({ dir, request }) =>
      savedPlan(cards.get(dir)!, request as GrowthRequest, `print of ${dir}`),
    checkPlan: async ({ dir, plan }) => {
      checkSource(plan, markOf(cards.get(dir)!, `print of ${dir}`));
      return {};
    },
    openRun: async ({ id }) => ({
      ...cards.get('/home/me/.cambium/checkpoints/stories-grown')!,
      name: `${id}, step 200`,
    }),
    startGrowth: async ({ source, out, request, plan: given }) => {
      if (cards.has(out)) refuse('file/exists', { path: out });
      const job: JobCard = {
        id: `job-${jobs.length + 1}`,
        kind: 'grow',
        title: `Growing ${cards.get(source)!.name} into ${out.split('/').pop()!}`,
        state: 'running',
        started: new Date().toISOString(),
      };
      jobs.push(job);
      const card = cards.get(source)!;
      const { stages } = given ?? savedPlan(card, request as GrowthRequest, null);
      cards.set(
        out,
        cardOf(stages.at(-1)!.config, out, {
          tokenizer: card.tokenizer,
          grownFrom: { source, method: methodsIn(stages), certificate },
        }),
      );
      return job;
    },
    followGrowth: async function* ({ id }): AsyncIterable<GrowEvent> {
      const out = [...cards.keys()].at(-1)!;
      const card = cards.get(out)!;
      let bytes = 0;
      for (const [i, tensor] of card.tensors.entries()) {
        await sleep(pace);
        if (jobOf(id).state === 'cancelled') throw new AppError('cancelled', { what: 'The growth' });
        bytes += 4 * tensor.shape.reduce((a, b) => a * b, 1);
        yield {
          at: 'tensor',
          name: tensor.name,
          tensors: i + 1,
          ofTensors: card.tensors.length,
          bytes,
          ofBytes: card.bytes,
          seconds: ((i + 1) * (pace + 1)) / 1000,
        };
      }
      yield { at: 'certifying' };
      await sleep(pace * 10);
      setJob(id, { state: 'done' });
      yield { at: 'done', dir: out, seconds: 1.4, bytes: card.bytes, certificate, device: 'cpu' };
    },
    certify: async () => certificate,
    startExport: async () => {
      const job: JobCard = {
        id: `job-${jobs.length + 1}`,
        kind: 'export',
        title: 'Exporting stories',
        state: 'running',
        started: new Date().toISOString(),
      };
      jobs.push(job);
      return job;
    },
    followExport: async function* ({ id }) {
      for (let i = 1; i <= 20; i++) {
        await sleep(pace);
        yield {
          at: 'tensor' as const,
          name: `model.layers.${i}.mlp.up_proj.weight`,
          tensors: i,
          ofTensors: 20,
        };
      }
      yield { at: 'comparing' as const };
      setJob(id, { state: 'done' });
      yield {
        at: 'done' as const,
        dir: '/home/me/.cambium/checkpoints/stories-grown',
        files: ['config.json', 'model.safetensors', 'tokenizer.json'],
        bytes: 4_182_528,
        maxLogit: 0,
        device: 'cpu' as const,
      };
    },
    jobs: async () => [...jobs],
    cancelJob: async ({ id }) => {
      setJob(id, { state: 'cancelled' });
      return {};
    },
    startRun: async ({ checkpoint, settings, data, name }) => {
      const run = addRun(
        `run-${runs.size + 1}`,
        name ?? cards.get(checkpoint)!.name,
        'preparing',
        [],
        settings,
        { checkpoint, data, created: new Date().toISOString() },
      );
      void train(run);
      return run.card;
    },
    runs: async () => [...runs.values()].map((run) => run.card),
    run: async ({ id }) => runOf(id).card,
    runHistory: async ({ id, from, to }) => {
      const { events } = runOf(id);
      return {
        events:
          from === undefined || to === undefined
            ? events
            : events.filter((e) => e.at === 'step' && e.step >= from && e.step <= to),
        lines: events.length,
        offset: 0,
        whole: true,
      };
    },
    followRun: async function* ({ id, from }) {
      const run = runOf(id);
      for (let i = from; ;) {
        while (i < run.events.length) yield run.events[i++]!;
        if (!live(run.card.state)) return;
        await sleep(Math.max(1, pace));
      }
    },
    stopRun: async ({ id }) => {
      const run = runOf(id);
      run.card = { ...run.card, state: 'pausing' };
      return run.card;
    },
    annotateRun: async ({ id, ...said }) => {
      const run = runOf(id);
      run.card = {
        ...run.card,
        ...Object.fromEntries(Object.entries(said).filter(([, v]) => v !== undefined)),
      };
      return run.card;
    },
    trashRun: async ({ id }) => {
      trashed.set(`/trash/${id}`, runOf(id));
      runs.delete(id);
      return { trashed: `/trash/${id}` };
    },
    restoreRun: async ({ trashed: at }) => {
      const run = trashed.get(at)!;
      runs.set(run.card.id, run);
      return run.card;
    },
    lineage: async () => ({
      nodes: [
        { dir: '/data/stories260K', kind: 'checkpoint', name: 'stories260K' },
        { dir: '/home/me/.cambium/checkpoints/stories-grown', kind: 'checkpoint', name: 'stories-grown' },
        ...[...runs.values()].map(({ card }) => ({
          dir: card.dir,
          kind: 'run' as const,
          name: card.name,
          run: { id: card.id, state: card.state, loss: card.loss, heldOutLoss: card.heldOutLoss },
        })),
      ],
      edges: [
        {
          from: '/data/stories260K',
          to: '/home/me/.cambium/checkpoints/stories-grown',
          kind: 'grown',
          what: 'hypercloning',
          proof: { passed: true, promise: 'exact', maxLogit: 2.1e-5 },
        },
        ...[...runs.values()].map(({ card }) => ({
          from: card.checkpoint,
          to: card.dir,
          kind: 'trained' as const,
          what: `${card.tokens} tokens`,
        })),
      ],
    }),
    resumeRun: async ({ id }) => {
      const run = runOf(id);
      run.events.push({
        at: 'started',
        step: run.card.step,
        device: 'cpu',
        deviceName: 'Processor (2 cores)',
        parameters: 1_045_632,
        steps: run.card.steps,
        trainTokens: 1,
        heldOutTokens: 1,
        time: new Date().toISOString(),
      });
      void train(run);
      return { ...run.card, state: 'running' };
    },
    decayRun: async ({ id, steps = 10 }) => {
      const run = runOf(id);
      run.events.push({
        at: 'rescheduled',
        step: run.card.step,
        steps: run.card.step + steps,
        time: new Date().toISOString(),
      });
      run.card = { ...run.card, steps: run.card.step + steps };
      return run.card;
    },
    ...fakeHub(pace, jobs, cards.get('/data/stories260K')!),
    places: async () => [...boxes],
    addPlace: async (place) => {
      if (boxes.some((p) => p.name === place.name)) refuse('place/exists', { place: place.name });
      boxes.push(place);
      return [...boxes];
    },
    removePlace: async ({ name }) => {
      boxes.splice(
        boxes.findIndex((p) => p.name === name),
        1,
      );
      return [...boxes];
    },
    openPlace: ({ name }) =>
      refuse('place/unreachable', { place: name, why: 'the fake service goes nowhere' }),
    toPlace: async () => ({}),
    costs: async () => costFacts,
    estimate: async ({ dir, training, assumptions = {} }) =>
      estimate({
        subject: cards.get(dir) ?? refuse('file/not-found', { path: dir }),
        training,
        ...costFacts,
        assumptions: { ...costFacts.assumptions, ...assumptions },
      }),
    assume: async (change) =>
      (costFacts = { ...costFacts, assumptions: { ...costFacts.assumptions, ...change } }).assumptions,
    measureDevice: async () => ({ device: cpu.id, measured: cpu.measured! }),
    runCost: async () => null,
    sample: async function* ({ tokens }) {
      const words =
        ', there was a small oak that wished to be tall. It asked the sun, and the sun said: first a ring, then another.'.split(
          /(?<= )/,
        );
      for (const text of words.slice(0, tokens)) {
        await sleep(pace);
        yield { at: 'text' as const, text };
      }
      yield { at: 'done' as const, tokens: words.length, seconds: 0.2, device: 'cpu' as const };
    },
    choices: async function* () {
      for (let i = 1; i <= 10; i++) {
        await sleep(pace);
        yield { at: 'choices' as const, done: i * 40, of: 400 };
      }
      yield {
        at: 'done' as const,
        answers: {
          questions: 100,
          accuracy: 0.41,
          error: 0.049,
          perByte: 0.44,
          perByteError: 0.05,
          device: 'cpu' as const,
        },
      };
    },
    evaluate: async function* () {
      for (let i = 1; i <= 10; i++) {
        await sleep(pace);
        yield { at: 'tokens' as const, done: i * 1000, of: 10_000 };
      }
      yield {
        at: 'done' as const,
        evaluation: {
          loss: 2.413,
          perplexity: 11.17,
          bitsPerByte: 1.42,
          tokens: 10_000,
          bytes: 24_511,
          device: 'cpu' as const,
        },
      };
    },
  };
  const counted = Object.fromEntries(
    Object.entries(service).map(([name, procedure]) => [
      name,
      (...given: [never]) => {
        calls.push(name);
        return (procedure as (...all: [never]) => unknown)(...given);
      },
    ]),
  );
  return Object.assign(counted as unknown as Service, { calls });
}
