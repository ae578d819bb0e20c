/** @file The start page, which opens a checkpoint by path, by the folder dialog, or by a drop. */
import type { Locator, Page } from 'playwright-core';
import { readAlert } from './common.ts';

export interface Library {
  readonly zone: Locator;
  readonly dialog: Locator;
  /** The names of the models in the table. */
  readonly checkpoints: Locator;
  /** The names of the exports in theirs. */
  readonly exports: Locator;
  readonly runs: Locator;
  visit(): Promise<void>;
  /** Enters a path and opens it, without waiting for the result. */
  openPath(dir: string): Promise<void>;
  /** Opens the folder dialog and the folders with these names. */
  browse(...names: readonly string[]): Promise<void>;
  /** Drops a file or folder of the system on the page. */
  drop(path: string): Promise<void>;
  /** The error that is shown, with its remedy. */
  readError(): Promise<string>;
}

export function library(page: Page): Library {
  const zone = page.getByTestId('drop-zone');
  const dialog = page.getByRole('dialog', { name: 'Choose a checkpoint' });
  return {
    zone,
    dialog,
    checkpoints: page.getByRole('region', { name: 'Checkpoints' }).locator('td:first-child'),
    exports: page.getByRole('region', { name: 'Exports' }).first().locator('td:first-child'),
    runs: page.getByRole('region', { name: 'Runs' }),
    async visit() {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Models' }).click();
      await zone.waitFor();
    },
    async openPath(dir) {
      await page.getByLabel('Path of a checkpoint folder').fill(dir);
      await page.getByRole('button', { name: 'Open', exact: true }).click();
    },
    async browse(...names) {
      await zone.getByRole('button', { name: 'Browse…' }).click();
      for (const name of names) await dialog.getByRole('button', { name: `${name}/` }).click();
    },
    async drop(path) {
      await page.bringToFront();
      const box = (await zone.boundingBox())!;
      const client = await page.context().newCDPSession(page);
      const position = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      const data = { items: [], files: [path], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
        await client.send('Input.dispatchDragEvent', { type, ...position, data });
      await client.detach();
    },
    readError: () => readAlert(page),
  };
}
