/**
 * @file How every page looks: a picture in both themes at three widths, none of them wider than its window,
 * and nothing that axe-core would report. With CAMBIUM_DOCS=1 it also makes the pictures of the
 * documentation.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { root, scenario, screenshots, type App } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf, heading } from './pages/frame.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const themes = ['Light', 'Dark'] as const;
const widths = [1440, 800, 360] as const;
const settings = {
  Tokens: 60 * 4 * 64,
  Batch: 4,
  Sequence: 64,
  'Learning rate': 0.003,
  'Warm-up': 5,
  'Evaluate every': 20,
  'Save every': 20,
  'Sample every': 20,
};

interface Shown {
  readonly name: string;
  readonly reach: (app: App) => Promise<void>;
}

scenario('looks', (app) => {
  let dir: string;
  let origin: string;
  const at = (route: string): Promise<unknown> => app.page.goto(`${origin}/#/${route}`);
  const where = new Map<string, string>();
  const keep = (name: string): void => {
    where.set(name, app.page.url().split('#/')[1]!);
  };

  beforeAll(async () => {
    dir = await app.checkpoint('small-llama');
    origin = new URL(app.page.url()).origin;
    mkdirSync(screenshots, { recursive: true });
  });

  it('has something on every page', async () => {
    const { page } = app;
    await library(page).type(dir);
    await checkpointPage(page).opened('small-llama');
    keep('checkpoint');
    await checkpointPage(page).grow();
    await growPage(page).opened('small-llama');
    keep('grow');
    await growPage(page).button.click();
    await growingPage(page).proved();
    keep('certificate');
    await growingPage(page).train();
    await heading(page, /^Train/);
    keep('train');
    await trainPage(page).fill(app.text, settings, 'a run');
    await trainPage(page).start();
    await runPage(page).is('Finished');
    await runPage(page).samples.getByText('Step 60').waitFor();
    keep('run');
  });

  const pages: readonly Shown[] = [
    {
      name: 'library',
      reach: async ({ page }) => {
        await at('');
        await library(page).runs.waitFor();
      },
    },
    {
      name: 'refused',
      reach: async ({ page }) => {
        await at('');
        await library(page).type('/nowhere');
        await alertOf(page);
      },
    },
    {
      name: 'folders',
      reach: async ({ page }) => {
        await at('');
        await library(page).pick();
        await library(page)
          .dialog.getByRole('button', { name: /small-llama/ })
          .waitFor();
      },
    },
    {
      name: 'checkpoint',
      reach: async ({ page }) => {
        await at(where.get('checkpoint')!);
        await checkpointPage(page).facts.waitFor();
      },
    },
    {
      name: 'grow',
      reach: async ({ page }) => {
        await at(where.get('grow')!);
        await growPage(page).plan.waitFor();
      },
    },
    {
      name: 'recipe',
      reach: async ({ page }) => {
        await at(where.get('grow')!);
        await growPage(page).plan.waitFor();
        await growPage(page).add();
        await page.getByRole('radio', { name: 'Whole recipe' }).waitFor();
      },
    },
    {
      name: 'impossible',
      reach: async ({ page }) => {
        await at(where.get('grow')!);
        await growPage(page).size('hidden').fill('50');
        await growPage(page).refusal.waitFor();
      },
    },
    {
      name: 'certificate',
      reach: async ({ page }) => {
        await at(where.get('certificate')!);
        await growingPage(page).certificate.waitFor();
      },
    },
    {
      name: 'train',
      reach: async ({ page }) => {
        await at(where.get('train')!);
        await page.getByRole('button', { name: 'Start training' }).waitFor();
        await page.getByText('More settings').click();
      },
    },
    {
      name: 'run',
      reach: async ({ page }) => {
        await at(where.get('run')!);
        await runPage(page).reaches(60);
      },
    },
    {
      name: 'runs',
      reach: async ({ page }) => {
        await at('runs');
        await page.getByRole('searchbox', { name: 'Search' }).waitFor();
      },
    },
    {
      name: 'compare',
      reach: async ({ page }) => {
        await at(`compare?ids=${new URLSearchParams(where.get('run')!.split('?')[1]).get('id')!}`);
        await page.getByRole('region', { name: 'What each run needed' }).waitFor();
      },
    },
    {
      name: 'tree',
      reach: async ({ page }) => {
        await at('tree');
        await page.getByRole('link', { name: 'a run', exact: true }).waitFor();
      },
    },
    {
      name: 'devices',
      reach: async ({ page }) => {
        await at('devices');
        await page.getByRole('button', { name: 'Check again' }).waitFor();
      },
    },
  ];

  it.each(pages)('shows $name without fault in both themes and widths', async ({ name, reach }) => {
    const { page } = app;
    for (const width of widths) {
      await page.setViewportSize({ width, height: width > 800 ? 900 : 844 });
      await reach(app);
      for (const theme of themes) {
        await page
          .getByRole('group', { name: 'Theme' })
          .getByRole('button', { name: theme })
          .evaluate((button) => {
            (button as unknown as { click(): void }).click();
          });
        expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(theme.toLowerCase());
        const picture = await page.screenshot({
          path: join(screenshots, `${name}-${theme.toLowerCase()}-${width}.png`),
          fullPage: name !== 'folders',
          animations: 'disabled',
        });
        expect(picture.length, 'bytes of the picture').toBeGreaterThan(12_000);
        expect(
          await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
          `${width} px is too narrow`,
        ).toBe(0);
        expect(await faults(page), `${name} in ${theme}`).toEqual([]);
      }
      await page.keyboard.press('Escape');
      await at('nothing');
    }
  });

  /** Rules that axe-core finds broken, with the places. */
  async function faults(page: Page): Promise<readonly string[]> {
    await page.evaluate(axe);
    return page.evaluate<readonly string[]>(
      `axe.run(document, { preload: false, resultTypes: ['violations'] }).then(({ violations }) => violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ')).join(', ')))`,
    );
  }
});

if (process.env['CAMBIUM_DOCS'] === '1')
  scenario('pictures of the documentation', (app) => {
    const images = join(root, 'docs', 'images');
    const builtIn = join(root, 'resources', 'demo', 'seedling');
    /** The window at this height, with the top of `from` at its top edge. */
    const picture = async (name: string, height: number, from?: string): Promise<void> => {
      await app.page.setViewportSize({ width: 1280, height });
      await app.page.evaluate('scrollTo(0, 0)');
      if (from !== undefined)
        await app.page.getByRole('region', { name: from }).evaluate((element) => {
          (element as unknown as { scrollIntoView(): void }).scrollIntoView();
        });
      const bytes = await app.page.screenshot({ path: join(images, `${name}.png`), animations: 'disabled' });
      expect(bytes.length, `bytes of ${name}.png`).toBeLessThan(250_000);
    };

    it('are made from the built-in checkpoint', async () => {
      const { page } = app;
      expect(existsSync(join(builtIn, 'model.safetensors')), 'resources/demo/seedling').toBe(true);
      mkdirSync(images, { recursive: true });
      await page.getByRole('button', { name: 'Light', exact: true }).click();
      await picture('library', 720);
      await page.getByTestId('built-in').click();
      await checkpointPage(page).facts.waitFor();
      await checkpointPage(page).grow();
      await growPage(page).plan.waitFor();
      await picture('sizes', 830, 'Sizes');
      await picture('grow', 860, 'Every weight');
      await growPage(page).button.click();
      await growingPage(page).proved();
      await picture('certificate', 520);
      await growingPage(page).train();
      await trainPage(page).fill(
        app.text,
        {
          Tokens: 60 * 8 * 128,
          Batch: 8,
          Sequence: 128,
          'Warm-up': 5,
          'Evaluate every': 15,
          'Save every': 30,
          'Sample every': 20,
        },
        'Grown and trained further',
      );
      await trainPage(page).start();
      await runPage(page).reaches(45);
      await picture('run', 1180);
    });
  });
