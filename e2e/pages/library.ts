/**
 * @file The start page: opening a checkpoint by path, by the folder browser, by dropping it; the lists of
 * what was done before.
 */
import type { Locator, Page } from 'playwright-core';
import { alertOf } from './frame.ts';

export interface Library {
  readonly zone: Locator;
  readonly dialog: Locator;
  readonly checkpoints: Locator;
  readonly runs: Locator;
  visit(): Promise<void>;
  /** Types a path and opens it; what comes then is for the caller to see. */
  type(dir: string): Promise<void>;
  /** Opens the folder browser and walks down these names. */
  pick(...names: readonly string[]): Promise<void>;
  /** Drags a folder from outside the browser onto the page, by the browser's own input. */
  drop(path: string): Promise<void>;
  /** The sentence and the remedy of the refusal that is shown. */
  refusal(): Promise<string>;
}

export function library(page: Page): Library {
  const zone = page.getByTestId('drop-zone');
  const dialog = page.getByRole('dialog', { name: 'Choose a checkpoint' });
  return {
    zone,
    dialog,
    checkpoints: page.getByRole('region', { name: 'Checkpoints' }),
    runs: page.getByRole('region', { name: 'Runs' }),
    async visit() {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Models' }).click();
      await zone.waitFor();
    },
    async type(dir) {
      await page.getByLabel('Path of a checkpoint folder').fill(dir);
      await page.getByRole('button', { name: 'Open', exact: true }).click();
    },
    async pick(...path) {
      await zone.getByRole('button', { name: 'Browse…' }).click();
      for (const name of path) await dialog.getByRole('button', { name: `${name}/` }).click();
    },
    async drop(path) {
      await page.bringToFront();
      const box = (await zone.boundingBox())!;
      const client = await page.context().newCDPSession(page);
      const at = { x: box.x + box.width / 2, y: box.y + 60 };
      const data = { items: [], files: [path], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
        await client.send('Input.dispatchDragEvent', { type, ...at, data });
      await client.detach();
    },
    refusal: () => alertOf(page),
  };
}
