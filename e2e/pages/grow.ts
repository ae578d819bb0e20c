/** @file The page that plans a growth, and the one that shows it under way and its certificate. */
import type { Locator, Page } from 'playwright-core';
import { heading } from './frame.ts';

export interface GrowPage {
  readonly plan: Locator;
  readonly weights: Locator;
  readonly refusal: Locator;
  readonly button: Locator;
  opened(name: string): Promise<void>;
  /** Chooses a method by its id. */
  method(id: string): Promise<void>;
  size(axis: string): Locator;
  slider(axis: string): Locator;
  /** Parameters after the growth, as shown. */
  after(): Promise<string>;
  /** The new folder as shown. */
  out(): Promise<string>;
}

export function growPage(page: Page): GrowPage {
  const plan = page.getByRole('complementary', { name: 'The plan' });
  return {
    plan,
    weights: page.getByRole('region', { name: 'Every weight' }),
    refusal: plan.getByRole('alert'),
    button: plan.getByRole('button', { name: 'Grow', exact: true }),
    async opened(name) { await heading(page, `Grow ${name}`); await plan.waitFor(); },
    method: (id) => page.locator(`input[type=radio][value=${id}]`).check(),
    size: (axis) => page.getByRole('spinbutton', { name: new RegExp(`^${axis}\\b`) }),
    slider: (axis) => page.getByRole('slider', { name: `${axis}, slider` }),
    after: () => plan.getByRole('row', { name: /^Parameters/ }).getByRole('cell').nth(1).innerText(),
    out: () => plan.getByRole('textbox', { name: 'New folder' }).inputValue(),
  };
}

export interface GrowingPage {
  readonly certificate: Locator;
  /** Settles when the growth is done and proved. */
  proved(): Promise<void>;
  /** A number of the certificate. */
  number(what: string): Promise<number>;
  look(): Promise<void>;
  train(): Promise<void>;
  cancel(): Promise<void>;
}

export function growingPage(page: Page): GrowingPage {
  const certificate = page.getByRole('region', { name: 'Certificate' });
  return {
    certificate,
    async proved() { await heading(page, /^Grown:/); await certificate.waitFor(); },
    async number(what) {
      const text = await certificate.locator('dl > div').filter({ has: page.getByText(what, { exact: true }) }).locator('dd').first().innerText();
      return Number(text.replace('−', '-').replace(/\s*%$/, ''));
    },
    async look() { await page.getByRole('link', { name: 'Look at it' }).click(); },
    async train() { await page.getByRole('link', { name: 'Train it' }).click(); },
    async cancel() { await page.getByRole('main').getByRole('button', { name: 'Cancel' }).click(); },
  };
}
