/**
 * @file Growing: the plan follows every move, a refusal offers what to click, progress is told, cancelling
 * leaves nothing, and every method proves itself.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { methods } from '../src-main/growth/methods/index.ts';
import { scenario } from './app.ts';
import { openToGrow } from './journey.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf, heading } from './pages/frame.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';

const whole = (text: string): number => Number(text.replace(/\D/g, ''));

scenario('growing', (app) => {
  const made = (): string[] =>
    existsSync(join(app.home, 'checkpoints')) ? readdirSync(join(app.home, 'checkpoints')) : [];
  /** From the library to the plan of this checkpoint. */
  async function plan(dir: string, name: string): Promise<void> {
    await library(app.page).visit();
    await openToGrow(app.page, dir, name);
  }

  let small: string;
  let large: string;
  beforeAll(async () => {
    small = await app.checkpoint('small-llama');
    large = await app.checkpoint('large-llama', 'llama', {
      dims: { hidden: 256, kv_heads: 4, group: 2, head_dim: 32, ffn: 768, layers: 8 },
    });
  });

  it('follows the slider and the number with its plan', async () => {
    const { page } = app;
    const grow = growPage(page);
    await plan(small, 'small-llama');
    const doubled = await grow.after();
    expect(await grow.size('hidden').inputValue()).toBe('64');
    await grow.plan.getByText('Exact: the grown model will say the same.').waitFor();
    await grow.weights.getByText('32 × 32 → 64 × 64').first().waitFor();
    const blocks = grow.weights.getByTestId('axis-diagram');
    expect(await blocks.count()).toBeGreaterThan(9);
    expect(await grow.weights.locator('[data-kind="copy"]').count()).toBeGreaterThan(5);
    expect(await grow.weights.getByText('sums 2 equal copies of hidden').count()).toBeGreaterThan(3);

    await grow.slider('hidden').focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => grow.size('hidden').inputValue()).toBe('96');
    await expect.poll(() => grow.after()).not.toBe(doubled);
    await grow.weights.getByText('32 × 32 → 96 × 96').first().waitFor();
    await grow.weights.getByText('sums 3 equal copies of hidden').first().waitFor();

    await grow.size('hidden').fill('128');
    await grow.weights.getByText('32 × 32 → 128 × 128').first().waitFor();
    expect(
      await grow.plan
        .getByRole('row', { name: /^FLOP per token/ })
        .getByRole('cell')
        .count(),
    ).toBe(3);
  });

  it('refuses an impossible size and offers the nearest to click', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.size('hidden').fill('50');
    await grow.refusal.waitFor();
    expect(await alertOf(page)).toMatch(
      /Hidden 32 → 50 is not a whole multiple\. The nearest possible hidden is 64/,
    );
    expect(await grow.button.isDisabled()).toBe(true);
    expect(await grow.size('hidden').getAttribute('aria-invalid')).toBe('true');
    await grow.refusal.getByRole('button', { name: 'hidden 64' }).click();
    await expect.poll(() => grow.refusal.count()).toBe(0);
    expect(await grow.size('hidden').inputValue()).toBe('64');
    expect(await grow.button.isEnabled()).toBe(true);
  });

  it('offers the method that reaches the size', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.size('ffn').fill('100');
    await grow.refusal.getByRole('button', { name: `use ${methods.get('expand')!.title}` }).click();
    await expect.poll(() => grow.refusal.count()).toBe(0);
    expect(await page.locator('input[type=radio][value=expand]').isChecked()).toBe(true);
    expect(await grow.size('ffn').inputValue()).toBe('100');
  });

  it('refuses a folder that exists', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.plan.getByRole('textbox', { name: 'New folder' }).fill(small);
    await grow.button.click();
    await grow.plan.getByText('already exists').waitFor();
    expect(await alertOf(page)).toMatch(/small-llama already exists\. Choose a new name/);
  });

  it('tells its progress in tensors and bytes, and a cancel leaves nothing behind', async () => {
    const { page } = app;
    const growing = growingPage(page);
    mkdirSync(join(app.home, 'checkpoints'), { recursive: true });
    const before = made();
    await plan(large, 'large-llama');
    await growPage(page).button.click();
    await page.getByText(/\d+ of \d+ tensors · [\d.]+ .?B of [\d.]+ .?B/).waitFor();
    expect(readdirSync(join(app.home, 'checkpoints')).length).toBeGreaterThan(before.length);
    await growing.cancel();
    await heading(page, 'Cancelled');
    await page.getByText('Nothing was left behind.').waitFor();
    expect(made()).toEqual(before);
    await library(page).visit();
    await expect.poll(() => page.getByRole('region', { name: 'Under way' }).count()).toBe(0);
    expect(
      await library(page)
        .checkpoints.getByRole('link', { name: /large-llama-hypercloning/ })
        .count(),
    ).toBe(0);
  });

  for (const method of methods.values()) {
    it(`grows by ${method.title} and measures or proves it`, async () => {
      const { page } = app;
      const growing = growingPage(page);
      const name = 'small-llama';
      await plan(small, name);
      await growPage(page).method(method.id);
      const exact =
        (await growPage(page).plan.getByText('Exact: the grown model will say the same.').count()) === 1;
      const out = await growPage(page).out();
      const parameters = await growPage(page).after();
      expect(out.startsWith(join(app.home, 'checkpoints', `${name}-${method.id}`))).toBe(true);
      await growPage(page).button.click();
      await growing.proved();
      if (exact) {
        expect(
          await growing.certificate.getByText('The grown model computes the same function').count(),
        ).toBe(1);
        expect(await growing.number('Largest difference of a logit')).toBeLessThan(1e-4);
      } else expect(await growing.certificate.getByText('An approximate growth, measured').count()).toBe(1);
      expect(readdirSync(out)).toEqual(
        expect.arrayContaining(['config.json', 'tokenizer.json', 'growth.json']),
      );
      expect(made().filter((entry) => /partial|tmp|^\./.test(entry))).toEqual([]);

      await growing.look();
      const checkpoint = checkpointPage(page);
      await checkpoint.certificate.waitFor();
      await checkpoint.facts.getByText(`by ${method.title}`).waitFor();
      await page
        .getByRole('heading', { name: `${method.mixes ? 'Mixtral' : 'Llama'}, ${parameters} parameters` })
        .waitFor();
      expect(whole(await checkpoint.fact('Parameters'))).toBeGreaterThan(20_000);
    });
  }
});
