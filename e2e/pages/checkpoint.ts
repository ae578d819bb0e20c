/** @file One checkpoint's page: its facts, its text, its ways on. */
import type { Locator, Page } from 'playwright-core';
import { heading } from './frame.ts';

export interface CheckpointPage {
  readonly facts: Locator;
  readonly certificate: Locator;
  opened(name: string): Promise<void>;
  /** A number of the facts, such as `Parameters`. */
  fact(what: string): Promise<string>;
  /** Lets the model write; what it wrote, its prompt before it. */
  write(tokens: number): Promise<string>;
  grow(): Promise<void>;
  train(): Promise<void>;
}

export function checkpointPage(page: Page): CheckpointPage {
  const facts = page.getByRole('region', { name: 'Facts' });
  return {
    facts,
    certificate: page.getByRole('region', { name: 'Certificate' }),
    async opened(name) {
      await heading(page, name);
      await facts.waitFor();
    },
    async fact(what) {
      return (
        await facts
          .locator('dl > div')
          .filter({ has: page.getByText(what, { exact: true }) })
          .locator('dd')
          .innerText()
      ).trim();
    },
    async write(tokens) {
      await page.getByLabel('Tokens', { exact: true }).fill(String(tokens));
      await page.getByTestId('write').click();
      await page.getByText(new RegExp(`^${tokens} tokens in`)).waitFor();
      return page.getByTestId('sample-text').innerText();
    },
    async grow() {
      await page.getByRole('link', { name: 'Grow it' }).click();
    },
    async train() {
      await page.getByRole('link', { name: 'Train it' }).click();
    },
  };
}
