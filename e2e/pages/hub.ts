/** @file The pages of the Hub: search, model, upload. */
import type { Locator, Page } from 'playwright-core';
import { waitForHeading } from './common.ts';

export interface HubSearchPage {
  readonly hits: Locator;
  readonly unfinished: Locator;
  readonly account: Locator;
  visit(): Promise<void>;
  search(query: string): Promise<void>;
  /** The names of the results. */
  readNames(): Promise<readonly string[]>;
  filter(name: 'Sort by' | 'Family' | 'Size' | 'Licence', label: string): Promise<void>;
  open(repo: string): Promise<void>;
}

export function hubPage(page: Page): HubSearchPage {
  const results = page.getByRole('region', { name: 'Results' });
  const hits = results.getByRole('listitem');
  const waitForResults = (): Promise<void> =>
    results
      .getByRole('status')
      .filter({ hasText: /^\s*\d/ })
      .waitFor();
  return {
    hits,
    unfinished: page.getByRole('region', { name: 'Unfinished downloads' }),
    account: page.getByRole('region', { name: 'Your account' }),
    async visit() {
      await page
        .getByRole('navigation', { name: 'Main' })
        .getByRole('link', { name: 'Hub', exact: true })
        .click();
      await waitForHeading(page, 'Models on the Hugging Face Hub');
      await waitForResults();
    },
    async search(query) {
      await page.getByLabel('Model name').fill(query);
      await page.getByRole('button', { name: 'Search', exact: true }).click();
      await waitForResults();
    },
    readNames: () => hits.locator('.name').allInnerTexts(),
    async filter(name, label) {
      await page.getByLabel(name, { exact: true }).selectOption({ label });
      await waitForResults();
    },
    async open(repo) {
      await hits.getByRole('link', { name: new RegExp(`^${repo}`) }).click();
      await waitForHeading(page, repo);
    },
  };
}

export interface ModelPage {
  readonly facts: Locator;
  readonly doubled: Locator;
  readonly download: Locator;
  readonly downloadButton: Locator;
  readonly resumeButton: Locator;
  readonly pauseButton: Locator;
  readonly openLink: Locator;
  readFact(name: string): Promise<string>;
  waitForDownload(): Promise<void>;
  /** Enters a token in the account form. */
  setToken(token: string): Promise<void>;
}

export function modelPage(page: Page): ModelPage {
  const main = page.getByRole('main');
  const facts = page.getByRole('region', { name: 'Facts' });
  const download = page.getByRole('region', { name: 'Download' });
  return {
    facts,
    download,
    doubled: page.getByRole('region', { name: 'Grown to twice the width' }),
    downloadButton: main.getByRole('button', { name: /^Download \(/ }),
    resumeButton: main.getByRole('button', { name: /^Resume download/ }),
    pauseButton: download.getByRole('button', { name: 'Pause' }),
    openLink: main.getByRole('link', { name: 'Open model' }),
    async readFact(name) {
      return (
        await facts
          .locator('dl > div')
          .filter({ has: page.getByText(name, { exact: true }) })
          .locator('dd')
          .innerText()
      )
        .replace(/\s+/g, ' ')
        .trim();
    },
    async waitForDownload() {
      await page.getByText('Downloaded. All hashes match.').waitFor();
    },
    async setToken(token) {
      await main.getByLabel('Token', { exact: true }).fill(token);
      await main.getByRole('button', { name: 'Save', exact: true }).click();
    },
  };
}

export interface PushPage {
  readonly plan: Locator;
  preview(repo?: string): Promise<void>;
  push(): Promise<void>;
}

export function pushPage(page: Page): PushPage {
  const plan = page.getByRole('region', { name: /^\d+ files,/ });
  return {
    plan,
    async preview(repo) {
      if (repo !== undefined) await page.getByLabel('Repository', { exact: true }).fill(repo);
      await page.getByRole('button', { name: 'Preview upload' }).click();
    },
    async push() {
      await plan.getByRole('button', { name: /^Push / }).click();
      await page.getByText('Pushed as one commit.').waitFor();
    },
  };
}
