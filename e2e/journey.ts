/** @file The first half of the way, from a path to a certificate: the same in the browser and on the desktop. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { checkpointPage } from './pages/checkpoint.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';

/** Opens `dir`, grows it as proposed, and reads the proof; the grown folder. */
export async function openAndGrow(page: Page, dir: string, name: string): Promise<string> {
  await library(page).type(dir);
  await checkpointPage(page).opened(name);
  await checkpointPage(page).grow();
  await growPage(page).opened(name);
  const out = await growPage(page).out();
  await growPage(page).button.click();
  await growingPage(page).proved();
  expect(await growingPage(page).number('Largest difference of a logit')).toBeLessThan(1e-4);
  return out;
}
