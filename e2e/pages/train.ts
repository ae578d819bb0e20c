/** @file The training form. */
import type { Page } from 'playwright-core';
import { waitForHeading } from './common.ts';

/** Values by the labels of their fields. */
export type FieldValues = Readonly<Record<string, string | number>>;

export interface TrainPage {
  waitFor(name: string): Promise<void>;
  /** Fills the form, with its further settings. */
  fill(text: string, settings: FieldValues, name?: string): Promise<void>;
  start(): Promise<void>;
}

export function trainPage(page: Page): TrainPage {
  return {
    waitFor: (name) => waitForHeading(page, `Train ${name}`),
    async fill(text, settings, name) {
      // The page before has a field with the same name.
      await page.getByRole('button', { name: 'Start training' }).waitFor();
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill(text);
      const showAll = page.getByRole('button', { name: 'Show all settings' });
      if ((await showAll.count()) > 0) await showAll.click();
      for (const [label, value] of Object.entries(settings)) {
        const field = page.getByLabel(label, { exact: true });
        if ((await field.evaluate((element) => element.tagName)) === 'SELECT')
          await field.selectOption({ label: String(value) });
        else await field.fill(String(value));
      }
      if (name !== undefined) await page.getByLabel('Name', { exact: true }).fill(name);
    },
    async start() {
      await page.getByRole('button', { name: 'Start training' }).click();
    },
  };
}
