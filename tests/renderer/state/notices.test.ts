import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunCard } from '../../../src-main/contract/schema.ts';
import { Notices } from '../../../src-renderer/state/notices.svelte.ts';

const run = (state: RunCard['state']): RunCard =>
  ({ id: 'a', name: 'Oak', state, step: 5, steps: 10, loss: 1.25 }) as RunCard;
const shown: { title: string; click: () => void }[] = [];
let permission: NotificationPermission;
let answer: NotificationPermission;
let focused: boolean;

beforeEach(() => {
  [permission, answer, focused] = ['default', 'granted', false];
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
        /* the browser's own */
      }
    },
  );
  vi.stubGlobal('isSecureContext', true);
  vi.spyOn(document, 'hasFocus').mockImplementation(() => focused);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
const runThrough = (notices: Notices): void => {
  notices.take({ runs: [run('running')] });
  notices.take({ runs: [run('failed')] });
};

describe('notifications of a browser', () => {
  it('are off until they are asked for, and then lead to the page of what ended', async () => {
    const notices = new Notices();
    expect(notices.state).toBe('off');
    runThrough(notices);
    expect(shown).toEqual([]);
    await notices.turn(true);
    expect([notices.state, new Notices().state]).toEqual(['on', 'on']);
    runThrough(notices);
    expect(shown.map(({ title }) => title)).toEqual(['Oak has failed']);
    shown[0]!.click();
    expect(location.hash).toBe('#/run?id=a');
    await notices.turn(false);
    expect([notices.state, new Notices().state]).toEqual(['off', 'off']);
  });

  it('are silent while the page is looked at', async () => {
    const notices = new Notices();
    await notices.turn(true);
    focused = true;
    runThrough(notices);
    expect(shown).toEqual([]);
  });

  it('say when the person refused them, or the browser has none', async () => {
    answer = 'denied';
    const notices = new Notices();
    await notices.turn(true);
    expect(notices.state).toBe('refused');
    vi.stubGlobal('isSecureContext', false);
    expect(new Notices().state).toBe('impossible');
  });
});
