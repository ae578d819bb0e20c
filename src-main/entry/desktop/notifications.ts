/** @file Shows progress on the icon of the app, and a notification when a run or a job ends. */
import { Notification } from 'electron';
import type { BrowserWindow } from 'electron';
import { averageProgress, collectNotices, type Notice, type Seen } from '../../contract/notices.ts';
import type { Service } from '../../contract/service.ts';

/** What `setProgressBar` takes for unknown progress and for none. */
const unknownProgress = 2;
const noProgress = -1;

function iconProgress(seen: Seen): number {
  const progress = averageProgress(seen);
  return progress === 'unknown' ? unknownProgress : (progress ?? noProgress);
}

/**
 * Follows the activity of the service. Notifications are shown while the window has no focus; a click calls
 * `open` with the page of the run or job.
 */
export async function showNotifications(
  api: Service,
  getWindow: () => BrowserWindow | undefined,
  open: (route: string) => void,
): Promise<void> {
  let seen: Seen = { jobs: [], runs: [] };
  for await (const activity of api.activity({})) {
    const next = collectNotices(seen, activity);
    seen = next.seen;
    const window = getWindow();
    // Every other method of a destroyed window throws.
    const openWindow = window?.isDestroyed() === true ? undefined : window;
    openWindow?.setProgressBar(iconProgress(seen));
    if (openWindow?.isFocused()) continue;
    for (const notice of next.notices) showNotification(notice, open);
  }
}

function showNotification({ title, body, route }: Notice, open: (route: string) => void): void {
  const notification = new Notification({ title, body });
  notification.on('click', () => {
    open(route);
  });
  notification.show();
}
