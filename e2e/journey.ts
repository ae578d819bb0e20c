/**
 * @file The first half of the way, from a path to a plan, and to a certificate: the same in the browser and
 * on the desktop.
 */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { checkpointPage } from './pages/checkpoint.ts';
import { growingPage, growPage, type GrowPage } from './pages/grow.ts';
import { library } from './pages/library.ts';

/** Opens `dir`, whose name is `name`, and shows its growth as proposed. */
export async function openToGrow(page: Page, dir: string, name: string): Promise<GrowPage> {
  await library(page).type(dir);
  await checkpointPage(page).opened(name);
  await checkpointPage(page).grow();
  const grow = growPage(page);
  await grow.opened(name);
  return grow;
}

/** Opens `dir`, grows it as proposed, and reads the proof; the grown folder. */
export async function openAndGrow(page: Page, dir: string, name: string): Promise<string> {
  const grow = await openToGrow(page, dir, name);
  const out = await grow.out();
  await grow.button.click();
  await growingPage(page).proved();
  expect(await growingPage(page).number('Largest difference of a logit')).toBeLessThan(1e-4);
  return out;
}
