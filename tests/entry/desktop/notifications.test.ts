import { beforeEach, expect, it, vi } from 'vitest';
import { fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { showNotifications } from '../../../src-main/entry/desktop/notifications.ts';
import type { Activity } from '../../../src-main/contract/activity.ts';
import type { JobSummary, RunSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';

const run = (state: RunSummary['state']): RunSummary =>
  ({ id: 'a', name: 'Oak', state, step: 5, steps: 10, loss: 1.25 }) as RunSummary;
const job: JobSummary = { id: 'j', kind: 'grow', title: 'Growing oak', state: 'running', started: '' };
/** A job starts, then a run starts, then the run fails. */
const activities: readonly Activity[] = [
  { jobs: [job] },
  { runs: [run('running')] },
  { runs: [run('failed')], jobs: [] },
];
const api = {
  async *activity() {
    yield* activities;
    await Promise.resolve();
  },
} as unknown as Service;

beforeEach(() => {
  fake.notifications.length = 0;
});

/** A window whose methods throw if it is destroyed, as Electron's do. */
function createWindow({ focused = false, destroyed = false } = {}) {
  const progress: number[] = [];
  const check = (): void => {
    if (destroyed) throw new TypeError('Object has been destroyed');
  };
  const window = {
    isDestroyed: () => destroyed,
    isFocused() {
      check();
      return focused;
    },
    setProgressBar(value: number) {
      check();
      progress.push(value);
    },
  };
  return { window: window as never, progress };
}

it('shows progress and notifications, which open their page', async () => {
  const { window, progress } = createWindow();
  const opened: string[] = [];
  const open = (route: string): void => {
    opened.push(route);
  };
  await showNotifications(api, () => window, open);
  expect(progress).toEqual([2, 0.5, -1]);
  expect(fake.notifications).toMatchObject([{ title: 'Oak has failed' }]);
  fake.notifications[0]!.emit('click');
  expect(opened).toEqual(['#/run?id=a']);
});

it('shows no notifications while the window has the focus', async () => {
  const { window } = createWindow({ focused: true });
  await showNotifications(
    api,
    () => window,
    () => undefined,
  );
  expect(fake.notifications).toHaveLength(0);
});

it('shows notifications after the window was destroyed', async () => {
  const { window, progress } = createWindow({ destroyed: true });
  await showNotifications(
    api,
    () => window,
    () => undefined,
  );
  expect(fake.notifications).toHaveLength(1);
  expect(progress).toEqual([]);
});
