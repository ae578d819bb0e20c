/** @file Bake-offs in the fake service: three candidates, which are all measured at once. */
import { reportBakeoff } from '../../../src-main/bakeoff/create-report.ts';
import { formatBakeoff } from '../../../src-main/bakeoff/report-html.ts';
import { tournamentOf, type BakeoffPlan, type StoredBakeoff } from '../../../src-main/bakeoff/state.ts';
import { standingOf, type Task } from '../../../src-main/bakeoff/tournament.ts';
import { refuse } from '../../../src-main/base/errors.ts';
import type { BakeoffEvent, BakeoffRequest, BakeoffView } from '../../../src-main/contract/bakeoff.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import type { FakeJobs } from './jobs.ts';
import { sleep } from './sleep.ts';

type BakeoffPart = Pick<
  Service,
  | 'planBakeoff'
  | 'startBakeoff'
  | 'resumeBakeoff'
  | 'followBakeoff'
  | 'bakeoffs'
  | 'bakeoff'
  | 'bakeoffReport'
>;

const planOf = ({ source, data, settings, rates, probeTokens, seeds, to }: BakeoffRequest): BakeoffPlan => {
  const request = { method: 'hypercloning', to, options: {}, seed: 0, dtype: 'keep' as const };
  const grown = { parameters: 1e6, flopsPerToken: 6e6, reachesTarget: true, equalFlopsTokens: probeTokens };
  return {
    name: source.split('/').pop()!,
    source,
    data,
    target: to,
    parameters: 1e6,
    settings,
    plannedTokens: settings.tokens,
    candidates: [
      {
        id: 'hypercloning',
        title: 'HyperCloning',
        role: 'grown',
        requests: [request],
        promise: null,
        ...grown,
      },
      { id: 'random', title: 'Random weights', role: 'random', requests: [request], promise: null, ...grown },
      {
        ...grown,
        id: 'source',
        title: 'Source, trained on',
        role: 'source',
        requests: [],
        promise: null,
        parameters: 2.6e5,
        flopsPerToken: 1.5e6,
        reachesTarget: false,
        equalFlopsTokens: 4 * probeTokens,
      },
    ],
    leftOut: [{ id: 'stack', why: 'its nearest size has twice the parameters' }],
    rates,
    seeds: Array.from({ length: seeds }, (_, i) => i),
    rungs: [probeTokens / 2, probeTokens],
    estimate: {
      tokens: { low: 8 * probeTokens, high: 12 * probeTokens },
      seconds: { low: 60, likely: 90, high: 120 },
      disk: 3e8,
      probes: 3 * rates.length,
    },
  };
};

const levels: Readonly<Record<string, number>> = { hypercloning: 2, random: 4, source: 2.2 };

function measure({ candidate, lr, seed, tokens }: Task): StoredBakeoff['measurements'][number] {
  const losses = Array.from(
    { length: 16 },
    (_, i) => levels[candidate]! + lr + 0.2 * Math.sin(i) + 0.01 * Math.cos(i * (seed + 2)),
  );
  return { candidate, lr, seed, tokens, losses };
}

export function createFakeBakeoffs(pace: number, jobs: FakeJobs): BakeoffPart {
  const stored = new Map<string, StoredBakeoff>();
  const dirOfJob = new Map<string, string>();
  const find = (dir: string): StoredBakeoff => stored.get(dir) ?? refuse('bakeoff/not-found', { path: dir });
  const view = (dir: string): BakeoffView => {
    const bakeoff = find(dir);
    const { name, source, created } = bakeoff;
    const spent = { seconds: 30, energy: null, cost: null };
    const report = reportBakeoff(bakeoff, { curveOf: () => undefined, spent });
    const job = [...dirOfJob].findLast(([, folder]) => folder === dir)?.[0];
    const isRunning = job !== undefined && jobs.find(job).state === 'running';
    const isDone = report.atEqualTokens !== null;
    const state = isDone ? 'finished' : isRunning ? 'running' : 'paused';
    return { dir, name, source, created, state, report, ...(isRunning ? { job } : {}) };
  };
  const start = (dir: string): { readonly job: string; readonly dir: string } => {
    const { id } = jobs.start('bakeoff', `Bake-off of ${find(dir).name}`);
    dirOfJob.set(id, dir);
    return { job: id, dir };
  };
  async function* followJob(id: string): AsyncGenerator<BakeoffEvent> {
    const dir = dirOfJob.get(id) ?? refuse('job/not-found', { job: id });
    for (;;) {
      await sleep(pace);
      const bakeoff = find(dir);
      const { task } = standingOf(tournamentOf(bakeoff), bakeoff.measurements);
      if (!task || jobs.find(id).state !== 'running') break;
      stored.set(dir, { ...bakeoff, measurements: [...bakeoff.measurements, measure(task)] });
      yield { type: 'measured', ...task, loss: levels[task.candidate]! };
    }
    jobs.setState(id, 'done');
    yield { type: 'done', dir };
  }
  return {
    planBakeoff: async (request) => planOf(request),
    startBakeoff: async ({ plan, out }) => {
      const dir = out ?? `/home/me/.cambium/bakeoffs/${stored.size + 1}`;
      stored.set(dir, { ...plan, version: 1, created: new Date().toISOString(), measurements: [] });
      return start(dir);
    },
    resumeBakeoff: async ({ dir }) => start(dir),
    followBakeoff: ({ id }) => followJob(id),
    bakeoffs: async () =>
      [...stored.keys()].map((dir) => {
        const { name, source, created, state } = view(dir);
        return { dir, name, source, created, state };
      }),
    bakeoff: async ({ dir }) => view(dir),
    bakeoffReport: async ({ dir, format }) => ({
      name: `bakeoff.${format}`,
      text: formatBakeoff(view(dir).report, format),
    }),
  };
}
