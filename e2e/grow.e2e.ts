/** @file Tests of growing on the page: plan, refusals, progress, cancelling, and the certificate of every method. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { methods } from '../src-main/growth/methods/index.ts';
import type { PromiseKind } from '../src-main/model/promise.ts';
import { scenario } from './app.ts';
import { openGrowPage } from './growth-steps.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert, waitForHeading } from './pages/common.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';

const certificateTitles: Readonly<Record<PromiseKind, string>> = {
  'function-preserving': 'Function-preserving, as measured on this text',
  'old-logits': 'Logits of old tokens preserved; probabilities are not',
  none: 'Not function-preserving: the distance was measured',
};
const parseInteger = (text: string): number => Number(text.replace(/\D/g, ''));

scenario('growing', (app) => {
  const listCheckpoints = (): string[] =>
    existsSync(join(app.home, 'checkpoints')) ? readdirSync(join(app.home, 'checkpoints')) : [];
  async function openForm(dir: string, name: string): Promise<void> {
    await library(app.page).visit();
    await openGrowPage(app.page, dir, name);
  }

  let small: string;
  let large: string;
  beforeAll(async () => {
    small = await app.createCheckpoint('small-llama');
    large = await app.createCheckpoint('large-llama', 'llama', {
      dims: { hidden: 256, kv_heads: 4, group: 2, head_dim: 32, ffn: 768, layers: 8 },
    });
  });

  it('plans again when a size changes by slider or by number', async () => {
    const { page } = app;
    const grow = growPage(page);
    await openForm(small, 'small-llama');
    const doubled = await grow.readParameters();
    expect(await grow.sizeField('hidden').inputValue()).toBe('64');
    await grow.plan.getByText('Function-preserving', { exact: true }).waitFor();
    await grow.weights.getByText('32 × 32 → 64 × 64').first().waitFor();
    const blocks = grow.weights.getByTestId('axis-diagram');
    expect(await blocks.count()).toBeGreaterThan(9);
    expect(await grow.weights.locator('[data-kind="copy"]').count()).toBeGreaterThan(5);
    expect(await grow.weights.getByText('sums 2 equal copies of hidden').count()).toBeGreaterThan(3);

    await grow.slider('hidden').focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => grow.sizeField('hidden').inputValue()).toBe('96');
    await expect.poll(() => grow.readParameters()).not.toBe(doubled);
    await grow.weights.getByText('32 × 32 → 96 × 96').first().waitFor();
    await grow.weights.getByText('sums 3 equal copies of hidden').first().waitFor();

    await grow.sizeField('hidden').fill('128');
    await grow.weights.getByText('32 × 32 → 128 × 128').first().waitFor();
    expect(
      await grow.plan
        .getByRole('row', { name: /^FLOPs per token/ })
        .getByRole('cell')
        .count(),
    ).toBe(3);
  });

  it('refuses an impossible size and suggests the nearest one', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.sizeField('hidden').fill('50');
    await grow.refusal.waitFor();
    expect(await readAlert(page)).toMatch(
      /Hidden 32 → 50 is not a whole multiple\. The nearest possible hidden is 64/,
    );
    expect(await grow.growButton.isDisabled()).toBe(true);
    expect(await grow.sizeField('hidden').getAttribute('aria-invalid')).toBe('true');
    await grow.refusal.getByRole('button', { name: 'hidden 64' }).click();
    await expect.poll(() => grow.refusal.count()).toBe(0);
    expect(await grow.sizeField('hidden').inputValue()).toBe('64');
    expect(await grow.growButton.isEnabled()).toBe(true);
  });

  it('refuses zero and negative sizes, and shows no cost beside the refusal', async () => {
    const { page } = app;
    const grow = growPage(page);
    for (const size of ['0', '-5']) {
      await grow.sizeField('hidden').fill(size);
      await grow.refusal.waitFor();
      expect(await readAlert(page)).toContain(`Hidden cannot shrink from 32 to ${size}`);
      expect(await grow.readParameters()).toBe('–');
      expect(await grow.growButton.isDisabled()).toBe(true);
      expect(await page.getByTestId('training-estimate').count()).toBe(0);
    }
    await grow.sizeField('hidden').fill('64');
    await expect.poll(() => grow.refusal.count()).toBe(0);
  });

  it('shows the figures, the sizes and the button without scrolling, and reaches a target with one press', async () => {
    const { page } = app;
    const grow = growPage(page);
    const before = page.viewportSize()!;
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.evaluate('window.scrollTo(0, 0)');
    for (const visible of [
      grow.growButton,
      grow.sizeField('hidden'),
      grow.plan.getByText('FLOPs per token').first(),
    ]) {
      const box = (await visible.boundingBox())!;
      expect(box.y).toBeGreaterThanOrEqual(0);
      expect(box.y + box.height).toBeLessThanOrEqual(900);
    }
    await page.setViewportSize(before);
    await page.getByRole('button', { name: '2× deeper' }).click();
    await expect.poll(() => grow.stages.allInnerTexts()).toEqual([expect.stringContaining('layers 2→4')]);
    await page.getByRole('textbox', { name: 'Parameter budget' }).fill('1');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByText('Even the smallest growth has more than 1 parameters.').waitFor();
    await page.getByRole('button', { name: '2× wider' }).click();
    await expect.poll(() => grow.sizeField('hidden').inputValue()).toBe('64');
  });

  it('keeps the form when the person goes back to it, and opens it anew from a link', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.chooseMethod('expand');
    await grow.sizeField('ffn').fill('100');
    await grow.plan.getByText('Function-preserving', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'small-llama', exact: true }).first().click();
    await checkpointPage(page).waitFor('small-llama');
    await page.goBack();
    await grow.waitFor('small-llama');
    await expect.poll(() => grow.sizeField('ffn').inputValue()).toBe('100');
    await page.reload();
    await grow.waitFor('small-llama');
    await expect.poll(() => grow.sizeField('ffn').inputValue()).toBe('100');
    await openForm(small, 'small-llama');
    await expect.poll(() => grow.sizeField('hidden').inputValue()).toBe('64');
  });

  it('suggests a method that can reach the size', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.sizeField('ffn').fill('100');
    await grow.refusal.getByRole('button', { name: `use ${methods.get('expand')!.title}` }).click();
    await expect.poll(() => grow.refusal.count()).toBe(0);
    expect(await page.locator('input[type=radio][value=expand]').isChecked()).toBe(true);
    expect(await grow.sizeField('ffn').inputValue()).toBe('100');
  });

  it('refuses an output folder that exists', async () => {
    const { page } = app;
    const grow = growPage(page);
    await grow.plan.getByRole('textbox', { name: 'Output folder' }).fill(small);
    await grow.growButton.click();
    await grow.plan.getByText('already exists').waitFor();
    expect(await readAlert(page)).toMatch(/small-llama already exists\. Choose a new name/);
  });

  it('shows its progress in tensors and bytes, and leaves no files after cancelling', async () => {
    const { page } = app;
    const growing = growingPage(page);
    mkdirSync(join(app.home, 'checkpoints'), { recursive: true });
    const before = listCheckpoints();
    await openForm(large, 'large-llama');
    await growPage(page).growButton.click();
    await page.getByText(/\d+ of \d+ tensors · [\d.]+ .?B of [\d.]+ .?B/).waitFor();
    expect(readdirSync(join(app.home, 'checkpoints')).length).toBeGreaterThan(before.length);
    await growing.cancel();
    await waitForHeading(page, 'Cancelled');
    await page.getByText('No files were left behind.').waitFor();
    expect(listCheckpoints()).toEqual(before);
    await library(page).visit();
    await expect.poll(() => page.getByRole('region', { name: 'Running', exact: true }).count()).toBe(0);
    expect(
      await library(page)
        .checkpoints.getByRole('link', { name: /large-llama-hypercloning/ })
        .count(),
    ).toBe(0);
  });

  for (const method of methods.values()) {
    it(`grows by ${method.title} and certifies the result`, async () => {
      const { page } = app;
      const growing = growingPage(page);
      const name = 'small-llama';
      await openForm(small, name);
      await growPage(page).chooseMethod(method.id);
      const readPromise = async (): Promise<PromiseKind> => {
        const { plan } = growPage(page);
        if (await plan.getByText('Function-preserving', { exact: true }).count())
          return 'function-preserving';
        return (await plan.getByText(/^Logits of old tokens preserved/).count()) ? 'old-logits' : 'none';
      };
      const promise = await readPromise();
      const out = await growPage(page).readOutputFolder();
      const parameters = await growPage(page).readParameters();
      expect(out.startsWith(join(app.home, 'checkpoints', `${name}-${method.id}`))).toBe(true);
      await growPage(page).growButton.click();
      await growing.waitForCertificate();
      expect(await growing.certificate.getByText(certificateTitles[promise]).count()).toBe(1);
      if (promise !== 'none') expect(await growing.readNumber('Largest logit difference')).toBeLessThan(1e-4);
      expect(readdirSync(out)).toEqual(
        expect.arrayContaining(['config.json', 'tokenizer.json', 'growth.json']),
      );
      expect(listCheckpoints().filter((entry) => /partial|tmp|^\./.test(entry))).toEqual([]);

      await growing.openModel();
      const checkpoint = checkpointPage(page);
      await checkpoint.certificate.waitFor();
      await checkpoint.facts.getByText(`by ${method.title}`).waitFor();
      await page
        .getByRole('heading', { name: `${method.mixture ? 'Mixtral' : 'Llama'}, ${parameters} parameters` })
        .waitFor();
      expect(parseInteger(await checkpoint.readFact('Parameters'))).toBeGreaterThan(20_000);
    });
  }
});
