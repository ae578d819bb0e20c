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
  /** The stages of the recipe, in order. */
  readonly stages: Locator;
  /** One more stage; it is the one being changed then. */
  add(): Promise<void>;
  /** Opens stage number `n` (from 1). */
  stage(n: number): Promise<void>;
  /** Keeps the plan as a file. */
  save(to: string): Promise<void>;
  load(path: string): Promise<void>;
  /** Opens what differs from a plan file. */
  compare(path: string): Promise<Locator>;
  /** Parameters after the growth, as shown. */
  after(): Promise<string>;
  /** The new folder as shown. */
  out(): Promise<string>;
}

export function growPage(page: Page): GrowPage {
  const plan = page.getByRole('complementary', { name: 'The plan' });
  const recipe = page.getByRole('region', { name: 'Recipe' });
  return {
    plan,
    weights: page.getByRole('region', { name: 'Every weight' }),
    refusal: plan.getByRole('alert'),
    button: plan.getByRole('button', { name: 'Grow', exact: true }),
    async opened(name) {
      await heading(page, `Grow ${name}`);
      await plan.waitFor();
    },
    method: (id) => page.locator(`input[type=radio][value=${id}]`).check(),
    size: (axis) => page.getByRole('spinbutton', { name: new RegExp(`^${axis}\\b`) }),
    slider: (axis) => page.getByRole('slider', { name: `${axis}, slider` }),
    stages: recipe.getByRole('listitem'),
    async add() {
      const before = await recipe.getByRole('listitem').count();
      await recipe.getByRole('button', { name: 'Add a stage' }).click();
      await recipe.getByRole('listitem').nth(Math.max(1, before)).waitFor();
    },
    stage: (n) =>
      recipe
        .getByRole('listitem')
        .nth(n - 1)
        .getByRole('button')
        .first()
        .click(),
    async save(to) {
      const [kept] = await Promise.all([
        page.waitForEvent('download'),
        plan.getByRole('button', { name: 'Save', exact: true }).click(),
      ]);
      await kept.saveAs(to);
    },
    load: (path) => plan.getByLabel('A plan to load').setInputFiles(path),
    async compare(path) {
      await plan.getByLabel('A plan to compare with').setInputFiles(path);
      const found = page.getByRole('region', { name: /^This plan beside/ });
      await found.waitFor();
      return found;
    },
    after: () =>
      plan
        .getByRole('row', { name: /^Parameters/ })
        .getByRole('cell')
        .nth(1)
        .innerText(),
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
    async proved() {
      await heading(page, /^Grown:/);
      await certificate.waitFor();
    },
    async number(what) {
      const text = await certificate
        .locator('dl > div')
        .filter({ has: page.getByText(what, { exact: true }) })
        .locator('dd')
        .first()
        .innerText();
      return Number(text.replace('−', '-').replace(/\s*%$/, ''));
    },
    async look() {
      await page.getByRole('link', { name: 'Look at it' }).click();
    },
    async train() {
      await page.getByRole('link', { name: 'Train it' }).click();
    },
    async cancel() {
      await page.getByRole('main').getByRole('button', { name: 'Cancel' }).click();
    },
  };
}
