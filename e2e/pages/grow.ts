/** @file The growth form, and the page of a running growth. */
import { writeFileSync } from 'node:fs';
import type { Locator, Page } from 'playwright-core';
import { readDownload } from '../downloads.ts';
import { waitForHeading } from './common.ts';

export interface GrowPage {
  readonly plan: Locator;
  readonly weights: Locator;
  readonly refusal: Locator;
  readonly growButton: Locator;
  waitFor(name: string): Promise<void>;
  chooseMethod(id: string): Promise<void>;
  sizeField(axis: string): Locator;
  slider(axis: string): Locator;
  readonly stages: Locator;
  /** Adds a stage and selects it. */
  addStage(): Promise<void>;
  /** Selects stage number `n` (from 1). */
  selectStage(n: number): Promise<void>;
  savePlan(path: string): Promise<void>;
  loadPlan(path: string): Promise<void>;
  /** Opens the comparison with a plan file. */
  comparePlan(path: string): Promise<Locator>;
  /** Parameters after the growth. */
  readParameters(): Promise<string>;
  readOutputFolder(): Promise<string>;
}

export function growPage(page: Page): GrowPage {
  const plan = page.getByRole('complementary', { name: 'Plan', exact: true });
  const recipe = page.getByRole('region', { name: 'Recipe' });
  return {
    plan,
    weights: page.getByRole('region', { name: 'Weights', exact: true }),
    refusal: plan.getByRole('alert'),
    growButton: plan.getByRole('button', { name: 'Grow', exact: true }),
    async waitFor(name) {
      await waitForHeading(page, `Grow ${name}`);
      await plan.waitFor();
    },
    chooseMethod: (id) => page.locator(`input[type=radio][value=${id}]`).check(),
    sizeField: (axis) => page.getByRole('spinbutton', { name: new RegExp(`^${axis}\\b`) }),
    slider: (axis) => page.getByRole('slider', { name: `${axis}, slider` }),
    stages: recipe.getByRole('listitem'),
    async addStage() {
      const before = await recipe.getByRole('listitem').count();
      await recipe.getByRole('button', { name: 'Add stage' }).click();
      await recipe.getByRole('listitem').nth(Math.max(1, before)).waitFor();
    },
    selectStage: (n) =>
      recipe
        .getByRole('listitem')
        .nth(n - 1)
        .getByRole('button')
        .first()
        .click(),
    async savePlan(path) {
      const save = plan.getByRole('button', { name: 'Save', exact: true });
      writeFileSync(path, await readDownload(page, () => save.click()));
    },
    loadPlan: (path) => plan.getByLabel('Plan file to load').setInputFiles(path),
    async comparePlan(path) {
      await plan.getByLabel('Plan file to compare with').setInputFiles(path);
      const comparison = page.getByRole('region', { name: /^Comparison with/ });
      await comparison.waitFor();
      return comparison;
    },
    readParameters: () =>
      plan
        .getByRole('row', { name: /^Parameters/ })
        .getByRole('cell')
        .nth(1)
        .innerText(),
    readOutputFolder: () => plan.getByRole('textbox', { name: 'Output folder' }).inputValue(),
  };
}

export interface GrowingPage {
  readonly certificate: Locator;
  /** Waits until the growth is done and certified. */
  waitForCertificate(): Promise<void>;
  /** A number of the certificate. */
  readNumber(name: string): Promise<number>;
  openModel(): Promise<void>;
  train(): Promise<void>;
  cancel(): Promise<void>;
}

export function growingPage(page: Page): GrowingPage {
  const certificate = page.getByRole('region', { name: 'Certificate' });
  return {
    certificate,
    async waitForCertificate() {
      await waitForHeading(page, /^Grown:/);
      await certificate.waitFor();
    },
    async readNumber(name) {
      const text = await certificate
        .locator('dl > div')
        .filter({ has: page.getByText(name, { exact: true }) })
        .locator('dd')
        .first()
        .innerText();
      return Number(text.replace('−', '-').replace(/\s*%$/, ''));
    },
    async openModel() {
      await page.getByRole('link', { name: 'Open model' }).click();
    },
    async train() {
      await page.getByRole('link', { name: 'Train', exact: true }).click();
    },
    async cancel() {
      await page.getByRole('main').getByRole('button', { name: 'Cancel' }).click();
    },
  };
}
