/** @file Browser notifications when work ends while the page has no focus. The desktop app has its own. */
import type { Activity } from '../../src-main/contract/activity.ts';
import { collectNotices, type Seen } from '../../src-main/contract/notices.ts';

/** `denied` by the person in the browser's settings; `unsupported` if the page cannot show notifications. */
export type NotificationState = 'on' | 'off' | 'denied' | 'unsupported';

const storageKey = 'cambium.notices';

function readState(): NotificationState {
  if (!('Notification' in window) || !window.isSecureContext) return 'unsupported';
  if (Notification.permission === 'denied') return 'denied';
  const isOn = localStorage.getItem(storageKey) === 'on';
  return Notification.permission === 'granted' && isOn ? 'on' : 'off';
}

export class Notifications {
  state = $state<NotificationState>(readState());
  #seen: Seen = { jobs: [], runs: [] };

  /** Turning notifications on asks the browser for permission. */
  async setEnabled(isEnabled: boolean): Promise<void> {
    if (isEnabled) await Notification.requestPermission();
    localStorage.setItem(storageKey, isEnabled ? 'on' : 'off');
    this.state = readState();
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
