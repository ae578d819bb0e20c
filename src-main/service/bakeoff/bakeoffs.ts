/**
 * @file Bake-offs as jobs of the service. A bake-off does one task after the other, and after each writes what it
 * has measured, so that pausing and killing it lose nothing.
 */
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { reportBakeoff, shownProbes } from '../../bakeoff/create-report.ts';
import { formatBakeoff } from '../../bakeoff/report-html.ts';
import type { BakeoffReport, ProbeCurve, Spent } from '../../bakeoff/report.ts';
import { probeFolder, tournamentOf, type BakeoffPlan, type StoredBakeoff } from '../../bakeoff/state.ts';
import { isSameProbe, standingOf, tokensDone, type Probe } from '../../bakeoff/tournament.ts';
import { mean } from '../../bakeoff/paired.ts';
import type {
  BakeoffEvent,
  BakeoffRequest,
  BakeoffSummary,
  BakeoffView,
  StartedBakeoff,
} from '../../contract/bakeoff.ts';
import type { CertificateReport } from '../../contract/schema.ts';
import { writeText } from '../../store/fs/files.ts';
import { takeLock } from '../../store/fs/lock.ts';
import type { QueuePlace } from '../../store/home/run-queue.ts';
import { readEvents } from '../../store/run/events.ts';
import { isRun, summarizeRun } from '../../store/run/runs.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import type { Costs } from '../cost.ts';
import { toAbsolutePath, type Dependencies } from '../dependencies.ts';
import type { Jobs } from '../jobs.ts';
import type { DeviceTurns } from '../device-turns.ts';
import { isWorking, listWorking, workLock, type OtherWork } from '../queued-work.ts';

import { createBakeoff, openBakeoffFolders, readBakeoff, writeBakeoff } from './bakeoff-file.ts';
import { planBakeoff } from './plan-bakeoff.ts';
import { runTask } from './probe.ts';

export interface Bakeoffs {
  plan(request: BakeoffRequest): Promise<BakeoffPlan>;
  /** With a `place`, it waits in the queue until its device is free. */
  start(plan: BakeoffPlan, out?: string, place?: QueuePlace): Promise<StartedBakeoff>;
  /** Continues a bake-off that was paused or killed. Throws `bakeoff/already-running`. */
  resume(dir: string, place?: QueuePlace): Promise<StartedBakeoff>;
  /** The bake-offs that work now, by what they were asked for. */
  listActive(): Promise<readonly OtherWork[]>;
  list(): Promise<readonly BakeoffSummary[]>;
  view(dir: string): Promise<BakeoffView>;
  report(dir: string, format: 'json' | 'html'): Promise<CertificateReport>;
}

type Push = (event: BakeoffEvent, group?: string) => void;

export function createBakeoffs(
  { home, processes }: Pick<Dependencies, 'home' | 'processes'>,
  jobs: Jobs,
  costs: Pick<Costs, 'facts' | 'recordEstimate' | 'runCost'>,
  turns: DeviceTurns,
): Bakeoffs {
  const folders = openBakeoffFolders(home);
  /** The jobs of this service, by folder. */
  const jobOf = new Map<string, string>();

  const readReport = async (dir: string, bakeoff: StoredBakeoff): Promise<BakeoffReport> => {
    const probes = shownProbes(bakeoff);
    const curves = await Promise.all(probes.map((probe) => readCurve(dir, bakeoff, probe)));
    const spent = await addSpent(dir, bakeoff, costs);
    const curveOf = (probe: Probe): ProbeCurve | undefined =>
      curves[probes.findIndex((other) => isSameProbe(other, probe))];
    return reportBakeoff(bakeoff, { curveOf, spent });
  };

  const work = async (dir: string, push: Push, signal: AbortSignalLike): Promise<void> => {
    const lock = await takeLock(workLock(dir), { note: 'bake-off' });
    if (!lock) refuse('bakeoff/already-running', { path: dir });
    try {
      await doTasks(dir, push, signal);
      const report = await readReport(dir, await readBakeoff(dir));
      for (const format of ['json', 'html'] as const)
        await writeText(join(dir, `report.${format}`), formatBakeoff(report, format));
      push({ type: 'done', dir });
    } finally {
      await lock?.release();
    }
  };

  const doTasks = async (dir: string, push: Push, signal: AbortSignalLike): Promise<void> => {
    let bakeoff = await readBakeoff(dir);
    let reported = 0;
    for (;;) {
      const { task, dropped } = standingOf(tournamentOf(bakeoff), bakeoff.measurements);
      for (const one of dropped.slice(reported)) push({ type: 'dropped', ...one });
      reported = dropped.length;
      if (!task) return;
      if (signal.aborted) refuse('cancelled', { what: 'The bake-off' });
      const { progress } = reportBakeoff(bakeoff, { curveOf: () => undefined, spent: nothingSpent });
      const others = tokensDone(bakeoff.measurements.filter((one) => !isSameProbe(one, task)));
      const { candidate, lr, seed } = task;
      const { measurement, textHash } = await runTask(
        {
          processes,
          costs,
          dir,
          bakeoff,
          signal,
          onGrowing: (id, done, of) => {
            push({ type: 'growing', candidate: id, done, of }, 'growing');
          },
          onStep: (_, tokens, loss) => {
            const done = others + tokens;
            push({ type: 'training', candidate, lr, seed, loss, done, of: progress.of }, 'training');
          },
        },
        task,
      );
      const losses = measurement.losses && [...measurement.losses];
      bakeoff = {
        ...bakeoff,
        ...(textHash === undefined ? {} : { textHash }),
        measurements: [...bakeoff.measurements, { ...measurement, losses }],
      };
      await writeBakeoff(dir, bakeoff);
      const loss = measurement.losses && mean(measurement.losses);
      push({ type: 'measured', ...task, loss });
    }
  };

  const launch = (
    dir: string,
    { name, settings }: Pick<BakeoffPlan, 'name' | 'settings'>,
    place?: QueuePlace,
  ): StartedBakeoff => {
    const { id } = jobs.start<BakeoffEvent>('bakeoff', `Bake-off of ${name}`, async (push, signal) => {
      const turn = { kind: 'bakeoff', dir, demand: { settings }, place } as const;
      try {
        await turns.take(turn, signal, push, () => work(dir, push, signal));
      } finally {
        jobOf.delete(dir);
      }
    });
    jobOf.set(dir, id);
    return { job: id, dir };
  };

  const summarize = async (dir: string, bakeoff: StoredBakeoff): Promise<BakeoffSummary> => {
    const { name, source, created } = bakeoff;
    const job = jobOf.get(dir);
    const { task } = standingOf(tournamentOf(bakeoff), bakeoff.measurements);
    const isRunning = job !== undefined || (await isWorking(dir));
    const stopped = task ? 'paused' : 'finished';
    const state = isRunning ? 'running' : stopped;
    return { dir, name, source, created, state, ...(job === undefined ? {} : { job }) };
  };

  return {
    plan: (request) => planBakeoff(costs, request),
    async start(plan, out, place) {
      const dir = out === undefined ? await folders.findFree(plan.name) : toAbsolutePath(out);
      await createBakeoff(dir, plan);
      await folders.remember(dir);
      return launch(dir, plan, place);
    },
    async resume(given, place) {
      const dir = toAbsolutePath(given);
      const bakeoff = await readBakeoff(dir);
      if (jobOf.has(dir)) refuse('bakeoff/already-running', { path: dir });
      await folders.remember(dir);
      return launch(dir, bakeoff, place);
    },
    async listActive() {
      return listWorking(await folders.list(), [...jobOf.keys()], readBakeoff);
    },
    async list() {
      const dirs = await folders.list();
      const found = await Promise.all(
        dirs.map((dir) =>
          readBakeoff(dir)
            .then((bakeoff) => summarize(dir, bakeoff))
            .catch(() => undefined),
        ),
      );
      return found.filter((one) => one !== undefined);
    },
    async view(given) {
      const dir = toAbsolutePath(given);
      const bakeoff = await readBakeoff(dir);
      return { ...(await summarize(dir, bakeoff)), report: await readReport(dir, bakeoff) };
    },
    async report(given, format) {
      const dir = toAbsolutePath(given);
      const report = await readReport(dir, await readBakeoff(dir));
      return { name: `${basename(dir)}-bakeoff.${format}`, text: formatBakeoff(report, format) };
    },
  };
}

const nothingSpent = { seconds: 0, energy: null, cost: null };

/** The losses that the run of a probe has recorded; undefined if it cannot be read. */
async function readCurve(dir: string, bakeoff: StoredBakeoff, probe: Probe): Promise<ProbeCurve | undefined> {
  const events = await readEvents(join(dir, probeFolder(probe))).catch(() => []);
  if (events.length === 0) return undefined;
  const perStep = tokensPerStep(bakeoff.settings);
  const losses: number[] = [];
  const heldOut = new Map<number, number>();
  for (const event of events) {
    if (event.type === 'step') losses[event.step - 1] = event.loss;
    if (event.type === 'evaluated') heldOut.set(event.step * perStep, event.loss);
  }
  return {
    losses: Array.from(losses, (loss) => loss ?? Number.NaN),
    heldOut: [...heldOut].map(([tokens, loss]) => ({ tokens, loss })),
  };
}

/** What the runs of all probes have used. */
async function addSpent(
  dir: string,
  { measurements }: StoredBakeoff,
  costs: Pick<Costs, 'runCost'>,
): Promise<Omit<Spent, 'tokens'>> {
  const folders = [...new Set(measurements.map((one) => join(dir, probeFolder(one))))];
  const runs = await Promise.all(folders.map((run) => spentBy(run, costs)));
  const add = (key: 'energy' | 'cost'): number | null =>
    runs.reduce<number | null>((sum, run) => (sum === null || run[key] === null ? null : sum + run[key]), 0);
  return {
    seconds: runs.reduce((sum, run) => sum + run.seconds, 0),
    energy: add('energy'),
    cost: add('cost'),
  };
}

async function spentBy(run: string, costs: Pick<Costs, 'runCost'>): Promise<Omit<Spent, 'tokens'>> {
  if (!(await isRun(run))) return nothingSpent;
  const record = await costs.runCost(run).catch(() => null);
  if (record?.actual) return record.actual;
  return { ...nothingSpent, seconds: (await summarizeRun(run)).seconds };
}
