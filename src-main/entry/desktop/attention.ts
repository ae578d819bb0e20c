/**
 * @file What the desktop shows outside the window: progress on the icon, and a notification when work ends,
 * fails or waits for somebody.
 */
import { Notification } from 'electron';
import type { BrowserWindow } from 'electron';
import { noticesOf, progressOf, type Seen } from '../../contract/notices.ts';
import type { Service } from '../../contract/service.ts';

/** What the icon takes for work of unknown length, and for none. */
const unknownLength = 2;
const none = -1;
const iconProgress = (seen: Seen): number => {
  const progress = progressOf(seen);
  return progress === 'unknown' ? unknownLength : (progress ?? none);
};

/** Follows the service for the life of the app. `open` shows a page when its notification is clicked. */
export async function watchFromOutside(
  api: Service,
  window: () => BrowserWindow | undefined,
  open: (route: string) => void,
): Promise<void> {
  let seen: Seen = { jobs: [], runs: [] };
  for await (const activity of api.activity({})) {
    const next = noticesOf(seen, activity);
    const last = window();
    const shown = last?.isDestroyed() === true ? undefined : last; // a closed window answers nothing but this
    seen = next.seen;
    shown?.setProgressBar(iconProgress(seen));
    if (shown?.isFocused()) continue;
    for (const { title, body, route } of next.notices) {
      const notification = new Notification({ title, body });
      notification.on('click', () => {
        open(route);
      });
      notification.show();
    }
  }
}
