/**
 * @file What a person who looks elsewhere should hear: work that ended, failed or waits for somebody, and how
 * far it is.
 */
import { liveStates, runsAfter, type Activity } from './activity.ts';
import type { JobCard, RunCard } from './schema.ts';

/** A title and a sentence, and the page that shows it. */
export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly route: string;
}

const runEndings: Readonly<Partial<Record<RunCard['state'], string>>> = {
  finished: 'has finished',
  failed: 'has failed',
  interrupted: 'was interrupted; it can go on from its last save',
};
const jobEndings: Readonly<Partial<Record<JobCard['state'], string>>> = { done: 'Done', failed: 'Failed' };

/** Jobs and runs as they were last seen. */
export interface Seen {
  readonly jobs: readonly JobCard[];
  readonly runs: readonly RunCard[];
}

/**
 * `seen` after `activity`, and what a person who looks elsewhere should hear of it: only work that was seen
 * under way can end.
 */
export function noticesOf(
  seen: Seen,
  activity: Activity,
): { readonly seen: Seen; readonly notices: readonly Notice[] } {
  const runs = (activity.runs ?? []).flatMap((run): Notice[] => {
    const before = seen.runs.find((r) => r.id === run.id)?.state;
    const ending = runEndings[run.state];
    return before !== undefined && liveStates.includes(before) && ending !== undefined
      ? [
          {
            title: `${run.name} ${ending}`,
            body: `Step ${run.step} of ${run.steps}${run.loss === null ? '' : `, loss ${run.loss.toFixed(3)}`}`,
            route: `#/run?id=${encodeURIComponent(run.id)}`,
          },
        ]
      : [];
  });
  const jobs = (activity.jobs ?? []).flatMap((job): Notice[] => {
    const before = seen.jobs.find((j) => j.id === job.id)?.state;
    const ending = jobEndings[job.state];
    return before === 'running' && ending !== undefined
      ? [
          {
            title: job.title,
            body: ending,
            route: job.kind === 'grow' ? `#/growing?id=${encodeURIComponent(job.id)}` : '#/',
          },
        ]
      : [];
  });
  return {
    seen: { jobs: activity.jobs ?? seen.jobs, runs: runsAfter(seen.runs, activity) },
    notices: [...runs, ...jobs],
  };
}

/** The mean share of the runs under way; unknown while only jobs are; null while nothing is. */
export function progressOf({ jobs, runs }: Seen): number | 'unknown' | null {
  const shares = runs
    .filter((run) => liveStates.includes(run.state) && run.steps > 0)
    .map((run) => run.step / run.steps);
  return shares.length > 0
    ? shares.reduce((a, b) => a + b, 0) / shares.length
    : jobs.some((job) => job.state === 'running')
      ? 'unknown'
      : null;
}
