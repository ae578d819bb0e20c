/** @file Notifications about runs and jobs that end, and the overall progress, for users who look elsewhere. */
import { activeStates, mergeRuns, type Activity } from './activity.ts';
import type { JobSummary, RunSummary } from './schema.ts';

/** A notification, with the route of the page that shows its subject. */
export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly route: string;
}

const runEndings: Readonly<Partial<Record<RunSummary['state'], string>>> = {
  finished: 'has finished',
  failed: 'has failed',
  interrupted: 'was interrupted; it can be resumed from its last save',
};
const jobEndings: Readonly<Partial<Record<JobSummary['state'], string>>> = { done: 'Done', failed: 'Failed' };

/** The page that shows a job. */
const jobPages: Readonly<Partial<Record<JobSummary['kind'], string>>> = { grow: 'growing', tune: 'tuning' };

/** The jobs and runs of the last activity message. */
export interface Seen {
  readonly jobs: readonly JobSummary[];
  readonly runs: readonly RunSummary[];
}

/** Applies `activity` to `seen`. There is a notice for each run and job that was active before and has ended. */
export function collectNotices(
  seen: Seen,
  activity: Activity,
): { readonly seen: Seen; readonly notices: readonly Notice[] } {
  const runs = (activity.runs ?? []).flatMap((run): Notice[] => {
    const before = seen.runs.find((r) => r.id === run.id)?.state;
    const ending = runEndings[run.state];
    if (before === undefined || !activeStates.includes(before) || ending === undefined) return [];
    const loss = run.loss === null ? '' : `, loss ${run.loss.toFixed(3)}`;
    const body = `Step ${run.step} of ${run.steps}${loss}`;
    return [{ title: `${run.name} ${ending}`, body, route: `#/run?id=${encodeURIComponent(run.id)}` }];
  });
  const jobs = (activity.jobs ?? []).flatMap((job): Notice[] => {
    const before = seen.jobs.find((j) => j.id === job.id)?.state;
    const ending = jobEndings[job.state];
    if (before !== 'running' || ending === undefined) return [];
    const page = jobPages[job.kind];
    const route = page === undefined ? '#/' : `#/${page}?id=${encodeURIComponent(job.id)}`;
    return [{ title: job.title, body: ending, route }];
  });
  return {
    seen: { jobs: activity.jobs ?? seen.jobs, runs: mergeRuns(seen.runs, activity) },
    notices: [...runs, ...jobs],
  };
}

/** True while a run or a job is active. */
export const isAtWork = ({ jobs, runs }: Seen): boolean =>
  runs.some((run) => activeStates.includes(run.state)) || jobs.some((job) => job.state === 'running');

/** The mean progress of the active runs (0 to 1), `unknown` if only jobs are active, null if nothing is. */
export function averageProgress({ jobs, runs }: Seen): number | 'unknown' | null {
  const shares = runs
    .filter((run) => activeStates.includes(run.state) && run.steps > 0)
    .map((run) => run.step / run.steps);
  if (shares.length > 0) return shares.reduce((a, b) => a + b, 0) / shares.length;
  return jobs.some((job) => job.state === 'running') ? 'unknown' : null;
}
