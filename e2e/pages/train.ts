/** @file The page that asks for a training. */
import type { Page } from 'playwright-core';
import { heading } from './frame.ts';

/** Settings by their labels. */
export type Labelled = Readonly<Record<string, string | number>>;

export interface TrainPage {
  opened(name: string): Promise<void>;
  /** Fills the form. Settings beneath “More settings” are named with the others. */
  fill(text: string, settings: Labelled, name?: string): Promise<void>;
  start(): Promise<void>;
}

export function trainPage(page: Page): TrainPage {
  return {
    opened: (name) => heading(page, `Train ${name}`),
    async fill(text, settings, name) {
      // the page before has a field of that name too
      await page.getByRole('button', { name: 'Start training' }).waitFor();
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill(text);
      const more = page.locator('details').filter({ hasText: 'More settings' });
      if ((await more.getAttribute('open')) === null) await more.locator('summary').click();
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
