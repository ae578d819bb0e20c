/** @file Steps that the tests of the browser and of the desktop app share: from a path to a plan or a certificate. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { checkpointPage } from './pages/checkpoint.ts';
import { growingPage, growPage, type GrowPage } from './pages/grow.ts';
import { library } from './pages/library.ts';

/** Opens a checkpoint and its growth form with the proposed sizes. */
export async function openGrowPage(page: Page, dir: string, name: string): Promise<GrowPage> {
  await library(page).openPath(dir);
  await checkpointPage(page).waitFor(name);
  await checkpointPage(page).grow();
  const grow = growPage(page);
  await grow.waitFor(name);
  return grow;
}

/** Grows a checkpoint by the proposed sizes, checks its certificate, and returns the grown folder. */
export async function growCheckpoint(page: Page, dir: string, name: string): Promise<string> {
  const grow = await openGrowPage(page, dir, name);
  const out = await grow.readOutputFolder();
  await grow.growButton.click();
  await growingPage(page).waitForCertificate();
  expect(await growingPage(page).readNumber('Largest logit difference')).toBeLessThan(1e-4);
  return out;
}
