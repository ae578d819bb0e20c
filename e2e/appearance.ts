/** @file Themes, screenshots and accessibility checks of the tests of the appearance. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { screenshots } from './app.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const themes = ['Light', 'Dark'] as const;
export type Theme = (typeof themes)[number];
/** Widths of a window: a desktop, a tablet, a phone. */
export const widths = [1440, 800, 360] as const;

/** Switches the theme without moving the focus. The switch is hidden on a narrow window. */
export async function setTheme(page: Page, theme: Theme): Promise<void> {
  await page
    .getByRole('group', { name: 'Theme', exact: true, includeHidden: true })
    .getByRole('button', { name: theme, includeHidden: true })
    .evaluate((button) => {
      (button as unknown as { click(): void }).click();
    });
  expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(theme.toLowerCase());
}

/** Checks that the page is not wider than its window. */
export async function expectNoOverflow(page: Page, width: number): Promise<void> {
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  expect(await page.evaluate(overflow), `${width} px is too narrow`).toBeLessThanOrEqual(0);
}

/** The rules that axe-core finds violated, with their elements. */
async function findViolations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate<readonly string[]>(`(async () => {
    const { violations } = await axe.run(document, { preload: false, resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.target.join(' ')).join(', '));
  })()`);
}

/** Takes a screenshot of the page in a theme, and checks its width and its accessibility. */
export async function checkAppearance(
  page: Page,
  name: string,
  theme: Theme,
  width: number,
  isFullPage = true,
): Promise<void> {
  mkdirSync(screenshots, { recursive: true });
  await setTheme(page, theme);
  const picture = await page.screenshot({
    path: join(screenshots, `${name}-${theme.toLowerCase()}-${width}.png`),
    fullPage: isFullPage,
    animations: 'disabled',
  });
  expect(picture.length, 'bytes of the screenshot').toBeGreaterThan(12_000);
  await expectNoOverflow(page, width);
  expect(await findViolations(page), `${name} in ${theme}`).toEqual([]);
}

/** Checks the appearance of the page in both themes at every width, and restores the size of its window. */
export async function checkAppearances(page: Page, name: string): Promise<void> {
  const size = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: width > 800 ? 900 : 844 });
    for (const theme of themes) await checkAppearance(page, name, theme, width);
  }
  if (size) await page.setViewportSize(size);
}
