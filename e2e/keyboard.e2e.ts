/**
 * @file Tests of the page by keyboard: every control can be reached and shows its focus, and few presses lead from the
 * start to an export.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { methods } from '../src-main/growth/methods/index.ts';
import { isDesktop, scenario } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { waitForHeading, tabTo } from './pages/common.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { runPage } from './pages/run.ts';

scenario('keyboard', (app) => {
  it('skips to the content', async () => {
    const { page } = app;
    await tabTo(page, 'a', 'Skip to content', 1);
    await page.keyboard.press('Enter');
    await tabTo(page, 'input', 'Path of a checkpoint folder', 3);
  });

  it('opens a checkpoint', async () => {
    const { page } = app;
    const dir = await app.createCheckpoint('small-gpt2', 'gpt2');
    await page.keyboard.type(dir);
    await page.keyboard.press('Enter');
    await checkpointPage(page).waitFor('small-gpt2');
    await tabTo(page, 'a', 'Grow', 3);
    await page.keyboard.press('Enter');
    await growPage(page).waitFor('small-gpt2');
  });

  it('chooses a method and a size, and grows', async () => {
    const { page } = app;
    const grow = growPage(page);
    await tabTo(page, 'input', /^HyperCloning/, 8);
    for (let i = 0; (await page.evaluate('document.activeElement.value')) !== 'expand'; i++) {
      expect(i).toBeLessThan(methods.size);
      await page.keyboard.press('ArrowDown');
    }
    expect(await page.locator('input[value=expand]').isChecked()).toBe(true);
    await tabTo(page, 'input', 'hidden, slider');
    const before = await grow.sizeField('hidden').inputValue();
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => grow.sizeField('hidden').inputValue()).not.toBe(before);
    await tabTo(page, 'input', 'Output folder');
    await tabTo(page, 'button', 'Grow', 4);
    await page.keyboard.press('Enter');
    await growingPage(page).waitForCertificate();
  });

  it('starts and pauses a run', async () => {
    const { page } = app;
    const run = runPage(page);
    await tabTo(page, 'a', 'Train', 4);
    await page.keyboard.press('Enter');
    await waitForHeading(page, /^Train small-gpt2-expand/);
    await page.getByRole('button', { name: 'Start training' }).waitFor();
    await tabTo(page, 'input', 'Text', 6);
    await page.keyboard.type(app.text);
    await tabTo(page, 'input', 'Context length', 12);
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('32');
    await tabTo(page, 'button', 'Start training');
    await page.keyboard.press('Enter');
    await run.waitForState('Training');
    await run.waitForStep(1);
    await tabTo(page, 'button', 'Pause', 6);
    await page.keyboard.press('Enter');
    await run.waitForState('Paused');
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Resume');
  });

  it.skipIf(isDesktop)('closes the folder dialog with Escape and returns the focus', async () => {
    const { page } = app;
    await app.goTo('');
    await page.getByTestId('drop-zone').waitFor();
    await tabTo(page, 'button', 'Browse…');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Choose a checkpoint' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Browse…');
  });
});

scenario('keyboard, from the start to an export', (app) => {
  it('exports a trained model of the demo checkpoint after at most 40 key presses', async () => {
    const { page } = app;
    const run = runPage(page);
    let presses = 0;
    /** Presses keys together, such as Control+Enter, and counts each of them. */
    const press = async (keys: string): Promise<void> => {
      await page.keyboard.press(keys);
      presses += keys.split('+').length;
    };
    const reach = async (tag: string, name: string): Promise<void> => {
      presses += await tabTo(page, tag, name);
    };
    const follow = async (tag: string, name: string): Promise<void> => {
      await reach(tag, name);
      await press('Enter');
    };
    await follow('a', 'Skip to content');
    await follow('a', 'Open the demo checkpoint');
    await waitForHeading(page, 'seedling');
    await page.getByRole('link', { name: 'Grow', exact: true }).waitFor();
    await follow('a', 'Grow');
    await waitForHeading(page, 'Grow seedling');
    await expect.poll(() => growPage(page).growButton.isEnabled()).toBe(true);
    await press('Control+Enter');
    await growingPage(page).waitForCertificate();
    await follow('a', 'Train');
    await page.getByRole('button', { name: 'Start training' }).waitFor();
    await follow('button', 'Use the example text');
    await expect
      .poll(() => page.getByRole('textbox', { name: 'Text', exact: true }).inputValue())
      .not.toBe('');
    // A run of the default length takes minutes. A shorter one needs these presses more.
    await reach('input', 'Tokens');
    for (const digit of '9000') await press(digit);
    await press('Control+Enter');
    await run.waitForState('Finished');
    await page.getByRole('button', { name: 'Export', exact: true }).waitFor();
    await follow('button', 'Export');
    await run.exportForm.waitFor();
    await follow('button', 'Export');
    await run.exportForm.getByText('Exported and verified.').waitFor();
    expect(readdirSync(join(app.home, 'exports'))).toHaveLength(1);
    console.log(`from the start to an export: ${presses} key presses`);
    expect(presses).toBeLessThanOrEqual(40);
  });
});
