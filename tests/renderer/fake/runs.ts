/** @file The runs of the fake service. */
import { refuse } from '../../../src-main/base/errors.ts';
import { activeStates } from '../../../src-main/contract/activity.ts';
import type { DeviceQueue } from '../../../src-main/contract/queue.ts';
import type { RunCheckpoint, RunEvent, RunState, RunSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { stepsOf, tokensPerStep } from '../../../src-main/train/schedule.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { grownDir } from './models.ts';
import { createEvents, lossAt } from './run-events.ts';
import { sleep } from './sleep.ts';

type RunPart = Pick<
  Service,
  | 'startRun'
  | 'runs'
  | 'run'
  | 'runHistory'
  | 'compareSlopes'
  | 'runCheckpoints'
  | 'queue'
  | 'moveInQueue'
  | 'removeFromQueue'
  | 'holdQueue'
  | 'deleteCheckpoint'
  | 'followRun'
  | 'stopRun'
  | 'resumeRun'
  | 'decayRun'
  | 'growRun'
  | 'annotateRun'
  | 'trashRun'
  | 'restoreRun'
  | 'trashedRuns'
  | 'emptyTrash'
  | 'runCost'
>;
interface FakeRun {
  summary: RunSummary;
  readonly events: RunEvent[];
}

function createRun(
  id: string,
  name: string,
  state: RunState,
  events: RunEvent[],
  settings: TrainingSettings,
  more: Partial<RunSummary> = {},
): FakeRun {
  const step = events.reduce((last, event) => (event.type === 'step' ? event.step : last), 0);
  const summary: RunSummary = {
    id,
    dir: `/home/me/.cambium/runs/${id}`,
    name,
    checkpoint: grownDir,
    data: ['/data/shakespeare.txt'],
    settings,
    state,
    step,
    steps: stepsOf(settings),
    tokens: step * tokensPerStep(settings),
    loss: step ? lossAt(step) : null,
    heldOutLoss: null,
    seconds: step * 0.21,
    cost: step * 0.0004,
    created: new Date(Date.now() - 4e6).toISOString(),
    savedStep: step >= 200 ? Math.floor(step / 200) * 200 : null,
    ...more,
  };
  return { events, summary };
}

/** A finished run `a`, and a failed run `b`. */
function createRuns(): Map<string, FakeRun> {
  const settings: TrainingSettings = { ...trainingDefaults, tokens: 819_200 };
  const error = { code: 'run/not-finite', detail: { step: 130, what: 'loss' } } as const;
  const failedEvents: RunEvent[] = [
    ...createEvents(trainingDefaults, 130),
    { type: 'stopped', step: 130, reason: 'failed', error, time: '' },
  ];
  const finished = createRun(
    'a',
    'stories ×2 on Shakespeare',
    'finished',
    createEvents(settings, 400, 'finished'),
    settings,
  );
  const failed = createRun('b', 'Same size from random weights', 'failed', failedEvents, trainingDefaults, {
    error,
  });
  return new Map([
    ['a', finished],
    ['b', failed],
  ]);
}

/** Trains `run` event by event until its end, or until it is paused. */
async function train(run: FakeRun, pace: number): Promise<void> {
  const events = createEvents(run.summary.settings, run.summary.steps, 'finished');
  run.summary = { ...run.summary, state: 'running' };
  for (const event of events.slice(run.events.length)) {
    await sleep(pace);
    const { state, step } = run.summary;
    if (state === 'pausing') {
      run.events.push(
        { type: 'saved', step, dir: 'x' },
        { type: 'stopped', step, reason: 'requested', time: new Date().toISOString() },
      );
      run.summary = { ...run.summary, state: 'paused', savedStep: step };
      return;
    }
    run.events.push(event);
    if (event.type === 'step')
      run.summary = { ...run.summary, step: event.step, loss: event.loss, tokens: event.tokens };
    if (event.type === 'saved') run.summary = { ...run.summary, savedStep: event.step };
  }
  run.summary = { ...run.summary, state: 'finished' };
}

/** Checkpoints at every 200 steps, newest first. The two newest are kept as such, and step 200 as the best. */
function createCheckpoints({ dir, savedStep, settings }: RunSummary): RunCheckpoint[] {
  const steps = Array.from({ length: Math.floor((savedStep ?? 0) / 200) }, (_, i) => 200 * (i + 1)).reverse();
  return steps.map((step, i) => ({
    step,
    model: `${dir}/checkpoints/step-000${step}/model`,
    tokens: step * tokensPerStep(settings),
    loss: lossAt(step),
    heldOutLoss: lossAt(step) + 0.1,
    bytes: 12_600_000,
    saved: new Date(Date.now() - i * 60_000).toISOString(),
    kept: [...(i < 2 ? (['newest'] as const) : []), ...(step === 200 ? (['best'] as const) : [])],
    isNeeded: i === 0,
  }));
}

/** The queue of the CPU: every run that waits. */
function listQueues(runs: ReadonlyMap<string, FakeRun>): readonly DeviceQueue[] {
  const waiting = [...runs.values()].flatMap(({ summary: { dir, name, created, state } }) =>
    state === 'waiting' ? [{ kind: 'run' as const, dir, name, added: created }] : [],
  );
  return waiting.length > 0 ? [{ device: 'cpu', isHeld: false, waiting }] : [];
}

export function createFakeRuns(pace: number): RunPart {
  const runs = createRuns();
  const checkpoints = new Map<string, RunCheckpoint[]>();
  const checkpointsOf = (id: string): RunCheckpoint[] => {
    const known = checkpoints.get(id) ?? createCheckpoints(find(id).summary);
    checkpoints.set(id, known);
    return known;
  };
  const trash = new Map<string, FakeRun>();
  const find = (id: string): FakeRun => runs.get(id) ?? refuse('run/not-found', { run: id });
  const change = (id: string, changes: Partial<RunSummary>): RunSummary => {
    const run = find(id);
    run.summary = { ...run.summary, ...changes };
    return run.summary;
  };
  return {
    startRun: async ({ checkpoint, settings, data, name = checkpoint.split('/').pop()! }) => {
      const id = `run-${runs.size + 1}`;
      const created = new Date().toISOString();
      const run = createRun(id, name, 'preparing', [], settings, { checkpoint, data, created });
      runs.set(id, run);
      void train(run, pace);
      return run.summary;
    },
    runs: async () => [...runs.values()].map(({ summary }) => summary),
    run: async ({ id }) => find(id).summary,
    runHistory: async ({ id, from, to }) => {
      const { events } = find(id);
      const isInRange = (event: RunEvent): boolean =>
        event.type === 'step' && event.step >= (from ?? 0) && event.step <= (to ?? Infinity);
      const isWhole = from === undefined || to === undefined;
      return {
        events: isWhole ? events : events.filter(isInRange),
        lines: events.length,
        offset: 0,
        isComplete: true,
      };
    },
    compareSlopes: async ({ id }) => refuse('run/not-grown', { run: find(id).summary.name }),
    runCheckpoints: async ({ id }) => checkpointsOf(id),
    deleteCheckpoint: async ({ id, step }) => {
      const left = checkpointsOf(id).filter((one) => one.step !== step);
      checkpoints.set(id, left);
      return left;
    },
    queue: async () => listQueues(runs),
    moveInQueue: async () => listQueues(runs),
    removeFromQueue: async ({ id }) => {
      change(id, { state: 'paused' });
      return listQueues(runs);
    },
    holdQueue: async () => listQueues(runs),
    followRun: async function* ({ id, from }) {
      const run = find(id);
      for (let i = from; ;) {
        while (i < run.events.length) yield run.events[i++]!;
        if (!activeStates.includes(run.summary.state)) return;
        await sleep(Math.max(1, pace));
      }
    },
    stopRun: async ({ id }) => change(id, { state: 'pausing' }),
    annotateRun: async ({ id, ...changes }) =>
      change(id, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))),
    trashRun: async ({ id }) => {
      trash.set(`/trash/${id}`, find(id));
      runs.delete(id);
      return { trashed: `/trash/${id}` };
    },
    restoreRun: async ({ trashed }) => {
      const run = trash.get(trashed)!;
      runs.set(run.summary.id, run);
      trash.delete(trashed);
      return run.summary;
    },
    trashedRuns: async () =>
      [...trash].map(([trashed, { summary }]) => {
        const { name, checkpoint, step, steps, loss, dir: original } = summary;
        return { trashed, original, moved: '2026-11-01T00:00:00.000Z', name, checkpoint, step, steps, loss };
      }),
    emptyTrash: async () => {
      const deleted = trash.size;
      trash.clear();
      return { deleted };
    },
    resumeRun: async ({ id }) => {
      const run = find(id);
      run.events.push({
        type: 'started',
        step: run.summary.step,
        device: 'cpu',
        deviceName: 'Processor (2 cores)',
        parameters: 1_045_632,
        steps: run.summary.steps,
        trainTokens: 1,
        heldOutTokens: 1,
        time: new Date().toISOString(),
      });
      void train(run, pace);
      return { ...run.summary, state: 'running' };
    },
    decayRun: async ({ id, steps = 10 }) => {
      const run = find(id);
      const { step } = run.summary;
      const time = new Date().toISOString();
      run.events.push({ type: 'rescheduled', step, steps: step + steps, time });
      return change(id, { steps: run.summary.steps + steps });
    },
    growRun: async ({ id }) => find(id).summary,
    runCost: async () => null,
  };
}
