import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunSummary } from '../../../src-main/contract/schema.ts';
import { Notifications } from '../../../src-renderer/state/notifications.svelte.ts';

const createRun = (state: RunSummary['state']): RunSummary =>
  ({ id: 'a', name: 'Oak', state, step: 5, steps: 10, loss: 1.25 }) as RunSummary;
const shown: { title: string; click: () => void }[] = [];
let permission: NotificationPermission;
let answer: NotificationPermission;
let hasFocus: boolean;

beforeEach(() => {
  permission = 'default';
  answer = 'granted';
  hasFocus = false;
  shown.length = 0;
  localStorage.clear();
  location.hash = '';
  vi.stubGlobal(
    'Notification',
    class {
      static get permission() {
        return permission;
      }
      static requestPermission() {
        permission = answer;
        return Promise.resolve(permission);
      }
      readonly #title: string;
      constructor(title: string) {
        this.#title = title;
      }
      addEventListener(_type: 'click', click: () => void) {
        shown.push({ title: this.#title, click });
      }
      close() {
        /* closed by the browser */
      }
    },
  );
  vi.stubGlobal('isSecureContext', true);
  vi.spyOn(document, 'hasFocus').mockImplementation(() => hasFocus);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
/** Lets a run fail. */
function failRun(notifications: Notifications): void {
  notifications.update({ runs: [createRun('running')] });
  notifications.update({ runs: [createRun('failed')] });
}

describe('Notifications', () => {
  it('are off until they are enabled, and open the page of the run', async () => {
    const notifications = new Notifications();
    expect(notifications.state).toBe('off');
    failRun(notifications);
    expect(shown).toEqual([]);
    await notifications.setEnabled(true);
    expect(notifications.state).toBe('on');
    failRun(notifications);
    expect(shown.map(({ title }) => title)).toEqual(['Oak has failed']);
    shown[0]!.click();
    expect(location.hash).toBe('#/run?id=a');
    await notifications.setEnabled(false);
    expect(notifications.state).toBe('off');
  });

  it('follow the choice on the server, and store a new one there', async () => {
    permission = 'granted';
    const saved: boolean[] = [];
    const notifications = new Notifications();
    notifications.connect(true, async (isWanted) => {
      saved.push(isWanted);
    });
    expect(notifications.state).toBe('on');
    await notifications.setEnabled(false);
    expect([notifications.state, saved]).toEqual(['off', [false]]);
  });

  it('are not shown while the page has the focus', async () => {
    const notifications = new Notifications();
    await notifications.setEnabled(true);
    hasFocus = true;
    failRun(notifications);
    expect(shown).toEqual([]);
  });

  it('know whether they are denied or not supported', async () => {
    answer = 'denied';
    const notifications = new Notifications();
    await notifications.setEnabled(true);
    expect(notifications.state).toBe('denied');
    vi.stubGlobal('isSecureContext', false);
    expect(new Notifications().state).toBe('unsupported');
  });
});
