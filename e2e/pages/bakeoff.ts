/** @file The form of a bake-off, and its page. */
import type { Page } from 'playwright-core';
import { waitForHeading } from './common.ts';
import type { FieldValues } from './train.ts';

export interface BakeoffPage {
  waitFor(name: string): Promise<void>;
  /** Fills the form: the text, fields by their labels, and the methods to compare. */
  fill(text: string, fields: FieldValues, methods: readonly string[]): Promise<void>;
  /** Asks for the candidates and the estimate. Returns the names of the candidates. */
  plan(): Promise<readonly string[]>;
  start(): Promise<void>;
}

export function bakeoffPage(page: Page): BakeoffPage {
  return {
    waitFor: (name) => waitForHeading(page, `Compare growth methods: ${name}`),
    async fill(text, fields, methods) {
      await page.getByRole('textbox', { name: 'Text', exact: true }).fill(text);
      for (const [label, value] of Object.entries(fields)) {
        const field = page.getByLabel(label, { exact: true });
        if ((await field.evaluate((element) => element.tagName)) === 'SELECT')
          await field.selectOption({ label: String(value) });
        else await field.fill(String(value));
      }
      for (const box of await page.getByRole('group', { name: 'Methods' }).getByRole('checkbox').all()) {
        const name = await box.evaluate((element) => element.closest('label')!.textContent.trim());
        await box.setChecked(methods.includes(name));
      }
    },
    async plan() {
      await page.getByRole('button', { name: 'Show candidates and estimate' }).click();
      await page.getByRole('heading', { name: 'Candidates and estimate' }).waitFor();
      return page.getByRole('region', { name: 'Candidates' }).getByRole('rowheader').allInnerTexts();
    },
    async start() {
      await page.getByRole('button', { name: 'Start bake-off' }).click();
      await waitForHeading(page, /^Bake-off of/);
    },
  };
}
