/**
 * @file Browser notifications when work ends while the page has no focus. The desktop app has its own. The server
 * keeps whether they are wanted; the browser keeps its permission.
 */
import type { Activity } from '../../src-main/contract/activity.ts';
import { collectNotices, type Seen } from '../../src-main/contract/notices.ts';

/** `denied` by the person in the browser's settings; `unsupported` if the page cannot show notifications. */
export type NotificationState = 'on' | 'off' | 'denied' | 'unsupported';

function readState(isWanted: boolean): NotificationState {
  if (!('Notification' in window) || !window.isSecureContext) return 'unsupported';
  if (Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && isWanted ? 'on' : 'off';
}

export class Notifications {
  state = $state<NotificationState>(readState(false));
  #seen: Seen = { jobs: [], runs: [] };
  /** Stores on the server whether notifications are wanted. */
  #save: (isWanted: boolean) => Promise<unknown> = () => Promise.resolve();

  /** Takes the choice of the server, and stores later choices with `save`. */
  connect(isWanted: boolean, save: (isWanted: boolean) => Promise<unknown>): void {
    this.#save = save;
    this.state = readState(isWanted);
  }

  /** Turning notifications on asks the browser for permission. */
  async setEnabled(isEnabled: boolean): Promise<void> {
    if (isEnabled) await Notification.requestPermission();
    await this.#save(isEnabled);
    this.state = readState(isEnabled);
  }

  update(activity: Activity): void {
    const { seen, notices } = collectNotices(this.#seen, activity);
    this.#seen = seen;
    if (this.state !== 'on' || document.hasFocus()) return;
    for (const { title, body, route } of notices) {
      // With a tag, several open tabs show the notification once.
      const notification = new Notification(title, { body, tag: title });
      notification.addEventListener('click', () => {
        window.focus();
        location.hash = route;
        notification.close();
      });
    }
  }
}
