import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';

const fake = vi.hoisted(() => ({
  notifications: [] as { title: string; body: string; click?: () => void }[],
  asked: [] as { message: string; detail?: string }[],
  answer: 0,
  packaged: true,
  found: null as { isUpdateAvailable: boolean; updateInfo: { version: string } } | Error | null,
  downloads: 0,
  updater: {} as Record<string, unknown>,
}));
vi.mock('electron', () => ({
  Notification: class {
    given: { title: string; body: string; click?: () => void };
    constructor(given: { title: string; body: string }) {
      this.given = given;
    }
    on(_: string, f: () => void): void {
      this.given.click = f;
    }
    show(): void {
      fake.notifications.push(this.given);
    }
  },
  app: {
    get isPackaged() {
      return fake.packaged;
    },
    getVersion: () => '0.1.0',
  },
  dialog: {
    showMessageBox: (box: { message: string; detail?: string }) => {
      fake.asked.push(box);
      return Promise.resolve({ response: fake.answer });
    },
  },
}));
vi.mock('electron-updater', () => ({
  default: {
    autoUpdater: Object.assign(fake.updater, {
      checkForUpdates: () =>
        fake.found instanceof Error ? Promise.reject(fake.found) : Promise.resolve(fake.found),
      downloadUpdate: () => {
        fake.downloads++;
        return Promise.resolve([]);
      },
    }),
  },
}));
import { showNotifications } from '../../../src-main/entry/desktop/notifications.ts';
import { findPathArgument, routeOfPath } from '../../../src-main/entry/desktop/open-path.ts';
import { offerUpdate } from '../../../src-main/entry/desktop/updates.ts';
import type { Activity } from '../../../src-main/contract/activity.ts';
import type { JobSummary, RunSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';

const dir = mkdtempSync(join(tmpdir(), 'cambium-outside-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  fake.notifications.length = 0;
  fake.asked.length = 0;
  fake.downloads = 0;
  fake.answer = 0;
});

const run = (state: RunSummary['state'], step = 5): RunSummary =>
  ({ id: 'a', name: 'Oak', state, step, steps: 10, loss: 1.25 }) as RunSummary;
const job = (state: JobSummary['state']): JobSummary => ({
  id: 'j',
  kind: 'grow',
  title: 'Growing oak',
  state,
  started: '',
});

describe('notices', () => {
  it('are shown while the window is not looked at, and lead to their page', async () => {
    const activities: Activity[] = [
      { jobs: [job('running')] },
      { runs: [run('running')] },
      { runs: [run('failed')], jobs: [] },
    ];
    const progress: number[] = [];
    const opened: string[] = [];
    let focused = false;
    let destroyed = false;
    const api = {
      async *activity() {
        yield* activities;
        await Promise.resolve();
      },
    } as unknown as Service;
    const there = (): void => {
      if (destroyed) throw new TypeError('Object has been destroyed');
    };
    const window = {
      isDestroyed: () => destroyed,
      isFocused: () => {
        there();
        return focused;
      },
      setProgressBar: (n: number) => {
        there();
        progress.push(n);
      },
    };
    const watch = (): Promise<void> =>
      showNotifications(
        api,
        () => window as never,
        (route) => {
          opened.push(route);
        },
      );
    await watch();
    expect(progress).toEqual([2, 0.5, -1]);
    expect(fake.notifications).toMatchObject([{ title: 'Oak has failed' }]);
    fake.notifications[0]!.click!();
    expect(opened).toEqual(['#/run?id=a']);
    focused = true;
    await watch();
    expect(fake.notifications).toHaveLength(1);
    destroyed = true;
    await watch();
    expect([fake.notifications.length, progress.length]).toEqual([2, 6]);
  });
});

describe('what the system asks to open', () => {
  it('is the first thing named that exists, but never the app itself', () => {
    writeFileSync(join(dir, 'model.safetensors'), '');
    expect(findPathArgument(['/opt/electron', '--no-sandbox', dir], dir)).toBeUndefined();
    expect(findPathArgument(['/opt/electron', '--flag', '.', 'gone', 'model.safetensors'], dir, dir)).toBe(
      join(dir, 'model.safetensors'),
    );
    expect(findPathArgument(['/opt/Cambium'], '/x')).toBeUndefined();
  });

  it('is shown as a checkpoint: the folder, or the folder of the weights', () => {
    const route = `#/checkpoint?${new URLSearchParams({ dir }).toString()}`;
    expect([routeOfPath(dir), routeOfPath(join(dir, 'model.safetensors'))]).toEqual([route, route]);
  });
});

describe('updates', () => {
  const here = (known: boolean): void => {
    Object.defineProperty(process, 'resourcesPath', { value: dir, configurable: true });
    if (known) writeFileSync(join(dir, 'app-update.yml'), 'provider: github\n');
    else rmSync(join(dir, 'app-update.yml'), { force: true });
  };

  it('are not looked for by a copy that no installer put here', async () => {
    here(false);
    await offerUpdate(true);
    expect(fake.asked).toEqual([]);
    await offerUpdate(false);
    expect(fake.asked[0]!.message).toContain('does not update itself');
  });

  it('are fetched when the person agrees, and only then', async () => {
    here(true);
    fake.found = { isUpdateAvailable: true, updateInfo: { version: '0.2.0' } };
    fake.answer = 1;
    await offerUpdate(true);
    expect([fake.downloads, fake.asked.length]).toEqual([0, 1]);
    fake.answer = 0;
    await offerUpdate(true);
    expect(fake.downloads).toBe(1);
    expect(fake.updater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
  });

  it('are said to be absent, or unreachable, to whoever asked', async () => {
    here(true);
    for (const [found, words] of [
      [{ isUpdateAvailable: false, updateInfo: { version: '0.1.0' } }, 'up to date'],
      [new Error('no network'), 'could not be told'],
    ] as const) {
      fake.found = found;
      await offerUpdate(true);
      expect(fake.asked).toEqual([]);
      await offerUpdate(false);
      expect(fake.asked.pop()!.message).toContain(words);
    }
  });
});
