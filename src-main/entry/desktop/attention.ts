/** @file What the desktop shows outside the window: progress on the icon, and a notification when work ends, fails or waits for somebody. */
import { Notification } from 'electron';
import type { BrowserWindow } from 'electron';
import { liveStates, runsAfter, type Activity } from '../../contract/activity.ts';
import type { JobCard, RunCard } from '../../contract/schema.ts';
import type { Service } from '../../contract/service.ts';

/** A title and a sentence, and the page that shows it. */
export interface Notice { readonly title: string; readonly body: string; readonly route: string }

const runEndings: Readonly<Partial<Record<RunCard['state'], string>>> = { finished: 'has finished', failed: 'has failed', interrupted: 'was interrupted; it can go on from its last save' };
const jobEndings: Readonly<Partial<Record<JobCard['state'], string>>> = { done: 'Done', failed: 'Failed' };

/** Jobs and runs as they were last seen. */
export interface Seen { readonly jobs: readonly JobCard[]; readonly runs: readonly RunCard[] }

/** `seen` after `activity`, and what a person who looks elsewhere should hear of it: only work that was seen under way can end. */
export function noticesOf(seen: Seen, activity: Activity): { readonly seen: Seen; readonly notices: readonly Notice[] } {
  const runs = (activity.runs ?? []).flatMap((run): Notice[] => {
    const before = seen.runs.find((r) => r.id === run.id)?.state, ending = runEndings[run.state];
    return before !== undefined && liveStates.includes(before) && ending !== undefined
      ? [{ title: `${run.name} ${ending}`, body: `Step ${run.step} of ${run.steps}${run.loss === null ? '' : `, loss ${run.loss.toFixed(3)}`}`, route: `#/run?id=${encodeURIComponent(run.id)}` }] : [];
  });
  const jobs = (activity.jobs ?? []).flatMap((job): Notice[] => {
    const before = seen.jobs.find((j) => j.id === job.id)?.state, ending = jobEndings[job.state];
    return before === 'running' && ending !== undefined ? [{ title: job.title, body: ending, route: job.kind === 'grow' ? `#/growing?id=${encodeURIComponent(job.id)}` : '#/' }] : [];
  });
  return { seen: { jobs: activity.jobs ?? seen.jobs, runs: runsAfter(seen.runs, activity) }, notices: [...runs, ...jobs] };
}

/** The icon's progress: the mean share of the runs under way; 2 (its length unknown) while only jobs run; -1 for none. */
export function iconProgress({ jobs, runs }: Seen): number {
  const shares = runs.filter((run) => liveStates.includes(run.state) && run.steps > 0).map((run) => run.step / run.steps);
  return shares.length > 0 ? shares.reduce((a, b) => a + b, 0) / shares.length : jobs.some((job) => job.state === 'running') ? 2 : -1;
}

/** Follows the service for the life of the app. `open` shows a page when its notification is clicked. */
export async function watchFromOutside(api: Service, window: () => BrowserWindow | undefined, open: (route: string) => void): Promise<void> {
  let seen: Seen = { jobs: [], runs: [] };
  for await (const activity of api.activity({})) {
    const next = noticesOf(seen, activity), shown = window();
    seen = next.seen;
    if (shown && !shown.isDestroyed()) shown.setProgressBar(iconProgress(seen));
    if (shown?.isFocused()) continue;
    for (const { title, body, route } of next.notices) {
      const notification = new Notification({ title, body });
      notification.on('click', () => { open(route); });
      notification.show();
    }
  }
}
