/** @file The page of a checkpoint. */
import type { Locator, Page } from 'playwright-core';
import { waitForHeading } from './common.ts';

export interface CheckpointPage {
  readonly facts: Locator;
  readonly certificate: Locator;
  waitFor(name: string): Promise<void>;
  /** A fact, such as `Parameters`. */
  readFact(name: string): Promise<string>;
  /** Generates text and returns it after its prompt. */
  generate(tokens: number): Promise<string>;
  grow(): Promise<void>;
  train(): Promise<void>;
}

export function checkpointPage(page: Page): CheckpointPage {
  const facts = page.getByRole('region', { name: 'Facts' });
  return {
    facts,
    certificate: page.getByRole('region', { name: 'Certificate' }),
    async waitFor(name) {
      await waitForHeading(page, name);
      await facts.waitFor();
    },
    async readFact(name) {
      return (
        await facts
          .locator('dl > div')
          .filter({ has: page.getByText(name, { exact: true }) })
          .locator('dd')
          .innerText()
      ).trim();
    },
    async generate(tokens) {
      await page.getByLabel('Tokens', { exact: true }).fill(String(tokens));
      await page.getByTestId('generate').click();
      await page.getByText(new RegExp(`^${tokens} tokens in`)).waitFor();
      return page.getByTestId('sample-text').innerText();
    },
    async grow() {
      await page.getByRole('link', { name: 'Grow', exact: true }).click();
    },
    async train() {
      await page.getByRole('link', { name: 'Train', exact: true }).click();
    },
  };
}
