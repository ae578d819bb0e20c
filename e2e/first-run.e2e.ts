/** @file From the first start to a trained model: in a few clicks, and without a shift. */
import type { Locator } from 'playwright-core';
import { expect, it } from 'vitest';
import { scenario } from './app.ts';
import { growPage } from './pages/grow.ts';
import { expectNoLayoutShift, recordLayoutShifts } from './layout-shift.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';

const window = { width: 1280, height: 800 };

scenario('the first run', (app) => {
  it('trains on the built-in example after four clicks, without scrolling', async () => {
    const page = await app.openPage({ viewport: window });
    let clicks = 0;
    /** Clicks at the place where the target is: it must be within the window. */
    const click = async (target: Locator): Promise<void> => {
      await target.waitFor();
      const box = (await target.boundingBox())!;
      expect(box.y).toBeGreaterThanOrEqual(0);
      expect(box.y + box.height).toBeLessThanOrEqual(window.height);
      expect(await page.evaluate('scrollY')).toBe(0);
      await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
      clicks++;
    };
    await click(page.getByTestId('demo'));
    await click(page.getByRole('link', { name: 'Train', exact: true }));
    await click(page.getByRole('button', { name: 'Use the example text' }));
    await expect
      .poll(() => page.getByRole('textbox', { name: 'Text', exact: true }).inputValue())
      .not.toBe('');
    await click(page.getByRole('button', { name: 'Start training' }));
    await runPage(page).waitForStep(1);
    expect(clicks).toBeLessThanOrEqual(4);
  });

  it('moves nothing on the page of a run while its numbers change', async () => {
    const { page } = app;
    await page.setViewportSize({ width: 1280, height: 1600 });
    const { last } = await runPage(page).waitForStep(4);
    await recordLayoutShifts(page);
    await runPage(page).waitForStep(last.step + 8);
    await expectNoLayoutShift(page);
  });

  it('moves nothing on the page of the models while a run trains', async () => {
    const { page } = app;
    await library(page).visit();
    const running = page.getByRole('region', { name: 'Running', exact: true });
    await running.waitFor();
    await recordLayoutShifts(page);
    const before = await running.innerText();
    for (let changes = 0; changes < 3; changes++)
      await expect.poll(() => running.innerText()).not.toBe(before);
    await expectNoLayoutShift(page);
  });

  it('moves nothing on the growth page while its sizes change', async () => {
    const { page } = app;
    await page.getByRole('button', { name: /^Pause / }).click();
    await page.getByTestId('demo').click();
    await page.getByRole('link', { name: 'Grow', exact: true }).click();
    await growPage(page).plan.waitFor();
    const size = growPage(page).slider('hidden');
    const count = Number(await size.getAttribute('max'));
    await growPage(page)
      .plan.getByText(/^This computer: /)
      .waitFor();
    await recordLayoutShifts(page);
    for (let i = 1; i <= count; i++) {
      const parameters = await growPage(page).readParameters();
      // Without an input of the user, whose shifts are not counted.
      await size.evaluate((element, value) => {
        const slider = element as unknown as { value: string; dispatchEvent(event: unknown): void };
        slider.value = String(value);
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }, i);
      if (i > 1) await expect.poll(() => growPage(page).readParameters()).not.toBe(parameters);
    }
    await expectNoLayoutShift(page);
  });
});
