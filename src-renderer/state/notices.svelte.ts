/**
 * @file Notifications of a browser when work ends while the person looks elsewhere; the desktop app has its
 * own.
 */
import type { Activity } from '../../src-main/contract/activity.ts';
import { noticesOf, type Seen } from '../../src-main/contract/notices.ts';

/** `refused` by the person, in the browser's settings; `impossible` where the page has no notifications. */
export type NoticeState = 'on' | 'off' | 'refused' | 'impossible';
const key = 'cambium.notices';

function standing(): NoticeState {
  if (!('Notification' in window) || !window.isSecureContext) return 'impossible';
  if (Notification.permission === 'denied') return 'refused';
  return Notification.permission === 'granted' && localStorage.getItem(key) === 'on' ? 'on' : 'off';
}

export class Notices {
  state = $state<NoticeState>(standing());
  #seen: Seen = { jobs: [], runs: [] };

  /** Asks the browser the first time. */
  async turn(on: boolean): Promise<void> {
    if (on) await Notification.requestPermission();
    localStorage.setItem(key, on ? 'on' : 'off');
    this.state = standing();
  }

  take(activity: Activity): void {
    const { seen, notices } = noticesOf(this.#seen, activity);
    this.#seen = seen;
    if (this.state !== 'on' || document.hasFocus()) return;
    for (const { title, body, route } of notices) {
      const shown = new Notification(title, { body, tag: title }); // the tag: several tabs tell it once
      shown.addEventListener('click', () => {
        window.focus();
        location.hash = route;
        shown.close();
      });
    }
  }
}
