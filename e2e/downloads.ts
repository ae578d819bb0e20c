/** @file Files that the page saves, in Chromium and in the window of the desktop app. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ElectronApplication, Page } from 'playwright-core';
import { expect } from 'vitest';

const apps = new WeakMap<Page, ElectronApplication>();

/** Notes the app of a window. */
export function registerWindow(page: Page, app: ElectronApplication): void {
  apps.set(page, app);
}

/** The file that `start` makes the page save. */
export async function readDownload(page: Page, start: () => Promise<void>): Promise<Buffer> {
  const app = apps.get(page);
  if (app) return readDesktopDownload(app, start);
  const [download] = await Promise.all([page.waitForEvent('download'), start()]);
  return readFileSync(await download.path());
}

/** Takes the place of the person who would choose a file in the dialog of the system. */
async function readDesktopDownload(app: ElectronApplication, start: () => Promise<void>): Promise<Buffer> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-download-'));
  const path = join(dir, 'file');
  await app.evaluate(({ session }, savePath) => {
    const record = globalThis as { download?: string };
    delete record.download;
    session.defaultSession.once('will-download', (_event, item) => {
      item.setSavePath(savePath);
      item.once('done', (_done, state) => {
        record.download = state;
      });
    });
  }, path);
  await start();
  await expect
    .poll(() => app.evaluate(() => (globalThis as { download?: string }).download))
    .toBe('completed');
  const bytes = readFileSync(path);
  rmSync(dir, { recursive: true });
  return bytes;
}
