/** @file The pages of the Hub: the search, one model, a push. */
import type { Locator, Page } from 'playwright-core';
import { heading } from './frame.ts';

export interface HubSearchPage {
  readonly hits: Locator;
  readonly unfinished: Locator;
  readonly account: Locator;
  visit(): Promise<void>;
  search(words: string): Promise<void>;
  /** The names that are listed. */
  names(): Promise<readonly string[]>;
  filter(what: 'Order' | 'Family' | 'Size' | 'Licence', label: string): Promise<void>;
  open(repo: string): Promise<void>;
}

export function hubPage(page: Page): HubSearchPage {
  const hits = page.getByRole('region', { name: 'Found' }).getByRole('listitem');
  const answered = async (): Promise<void> => {
    await page
      .getByRole('region', { name: 'Found' })
      .getByRole('status')
      .filter({ hasText: /^\d/ })
      .waitFor();
  };
  return {
    hits,
    unfinished: page.getByRole('region', { name: 'Unfinished downloads' }),
    account: page.getByRole('region', { name: 'Your account' }),
    async visit() {
      await page
        .getByRole('navigation', { name: 'Main' })
        .getByRole('link', { name: 'Hub', exact: true })
        .click();
      await heading(page, 'Models on the Hugging Face Hub');
      await answered();
    },
    async search(words) {
      await page.getByLabel('Name of a model, or part of it').fill(words);
      await page.getByRole('button', { name: 'Search', exact: true }).click();
      await answered();
    },
    names: () => hits.locator('.name').allInnerTexts(),
    async filter(what, label) {
      await page.getByLabel(what, { exact: true }).selectOption({ label });
      await answered();
    },
    async open(repo) {
      await hits.getByRole('link', { name: new RegExp(`^${repo}`) }).click();
      await heading(page, repo);
    },
  };
}

export interface ModelPage {
  readonly facts: Locator;
  readonly doubled: Locator;
  readonly download: Locator;
  readonly fetch: Locator;
  readonly goOn: Locator;
  readonly pause: Locator;
  readonly open: Locator;
  fact(what: string): Promise<string>;
  done(): Promise<void>;
  /** Gives a token, wherever the page asks for one. */
  giveToken(token: string): Promise<void>;
}

export function modelPage(page: Page): ModelPage {
  const main = page.getByRole('main');
  const facts = page.getByRole('region', { name: 'Facts' });
  const download = page.getByRole('region', { name: 'Download' });
  return {
    facts,
    download,
    doubled: page.getByRole('region', { name: 'Grown to twice the width' }),
    fetch: main.getByRole('button', { name: /^Fetch it/ }),
    goOn: main.getByRole('button', { name: /^Go on fetching/ }),
    pause: download.getByRole('button', { name: 'Pause' }),
    open: main.getByRole('link', { name: 'Open it' }),
    async fact(what) {
      return (
        await facts
          .locator('dl > div')
          .filter({ has: page.getByText(what, { exact: true }) })
          .locator('dd')
          .innerText()
      )
        .replace(/\s+/g, ' ')
        .trim();
    },
    async done() {
      await page.getByText('It is here, and every hash is right.').waitFor();
    },
    async giveToken(token) {
      await main.getByLabel('Token', { exact: true }).fill(token);
      await main.getByRole('button', { name: 'Use it' }).click();
    },
  };
}

export interface PushPage {
  readonly plan: Locator;
  look(repo?: string): Promise<void>;
  push(): Promise<void>;
}

export function pushPage(page: Page): PushPage {
  const plan = page.getByRole('region', { name: /^\d+ files,/ });
  return {
    plan,
    async look(repo) {
      if (repo !== undefined) await page.getByLabel('Repository', { exact: true }).fill(repo);
      await page.getByRole('button', { name: 'See what would go' }).click();
    },
    async push() {
      await plan.getByRole('button', { name: /^Push / }).click();
      await page.getByText('Pushed as one commit.').waitFor();
    },
  };
}
