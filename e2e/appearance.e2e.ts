/**
 * @file Tests of every page in both themes at three widths: it fits its window, and axe-core finds no violation.
 * With CAMBIUM_DOCS=1 they also take the screenshots of the documentation.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { isDesktop, root, scenario, type App } from './app.ts';
import { checkAppearance, themes, widths } from './appearance.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert, waitForHeading } from './pages/common.ts';
import { growingPage, growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 60 * 4 * 64,
  'Micro-batch size': 4,
  'Context length': 64,
  'Learning rate': 0.003,
  'Warmup steps': 5,
  'Evaluate every': 20,
  'Save every': 20,
  'Sample every': 20,
};

interface PageCase {
  readonly name: string;
  readonly open: (app: App) => Promise<void>;
}

scenario('appearance', (app) => {
  let dir: string;
  const goTo = (route: string): Promise<void> => app.goTo(route);
  const routes = new Map<string, string>();
  const rememberRoute = (name: string): void => {
    routes.set(name, app.page.url().split('#/')[1]!);
  };

  beforeAll(async () => {
    dir = await app.createCheckpoint('small-llama');
  });

  it('creates a checkpoint, a growth and a run to show', async () => {
    const { page } = app;
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('small-llama');
    rememberRoute('checkpoint');
    await checkpointPage(page).grow();
    await growPage(page).waitFor('small-llama');
    rememberRoute('grow');
    await growPage(page).growButton.click();
    await growingPage(page).waitForCertificate();
    rememberRoute('certificate');
    await growingPage(page).train();
    await waitForHeading(page, /^Train/);
    rememberRoute('train');
    await trainPage(page).fill(app.text, settings, 'a run');
    await trainPage(page).start();
    await runPage(page).waitForState('Finished');
    await runPage(page).openTab('Samples');
    await runPage(page).samples.getByText('Step 60').waitFor();
    rememberRoute('run');
  });

  const pages: readonly PageCase[] = [
    {
      name: 'library',
      open: async ({ page }) => {
        await goTo('');
        await library(page).runs.waitFor();
      },
    },
    {
      name: 'refused',
      open: async ({ page }) => {
        await goTo('');
        await library(page).openPath('/nowhere');
        await readAlert(page);
      },
    },
    {
      name: 'folders',
      open: async ({ page }) => {
        await goTo('');
        await library(page).browse();
        await library(page)
          .dialog.getByRole('button', { name: /small-llama/ })
          .waitFor();
      },
    },
    {
      name: 'checkpoint',
      open: async ({ page }) => {
        await goTo(routes.get('checkpoint')!);
        await checkpointPage(page).facts.waitFor();
      },
    },
    {
      name: 'grow',
      open: async ({ page }) => {
        await goTo(routes.get('grow')!);
        await growPage(page).plan.waitFor();
      },
    },
    {
      name: 'recipe',
      open: async ({ page }) => {
        await goTo(routes.get('grow')!);
        await growPage(page).plan.waitFor();
        await growPage(page).addStage();
        await page.getByRole('radio', { name: 'All stages' }).waitFor();
      },
    },
    {
      name: 'impossible',
      open: async ({ page }) => {
        await goTo(routes.get('grow')!);
        await growPage(page).sizeField('hidden').fill('50');
        await growPage(page).refusal.waitFor();
      },
    },
    {
      name: 'certificate',
      open: async ({ page }) => {
        await goTo(routes.get('certificate')!);
        await growingPage(page).certificate.waitFor();
      },
    },
    {
      name: 'train',
      open: async ({ page }) => {
        await goTo(routes.get('train')!);
        await page.getByRole('button', { name: 'Start training' }).waitFor();
        await page.getByRole('button', { name: 'Show all settings' }).click();
      },
    },
    {
      name: 'run',
      open: async ({ page }) => {
        await goTo(routes.get('run')!);
        await runPage(page).waitForStep(60);
      },
    },
    {
      name: 'runs',
      open: async ({ page }) => {
        await goTo('runs');
        await page.getByRole('searchbox', { name: 'Search' }).waitFor();
      },
    },
    {
      name: 'compare',
      open: async ({ page }) => {
        await goTo(`compare?ids=${new URLSearchParams(routes.get('run')!.split('?')[1]).get('id')!}`);
        await page.getByRole('region', { name: 'Cost to reach the loss' }).waitFor();
      },
    },
    {
      name: 'lineage',
      open: async ({ page }) => {
        await goTo('lineage');
        await page.getByRole('link', { name: 'a run', exact: true }).waitFor();
      },
    },
    {
      name: 'devices',
      open: async ({ page }) => {
        await goTo('devices');
        await page.getByRole('button', { name: 'Check again' }).waitFor();
      },
    },
    {
      name: 'help',
      open: async ({ page }) => {
        await goTo('help?doc=methods');
        await waitForHeading(page, 'Growth methods');
        await page.getByRole('heading', { name: 'Notation' }).waitFor();
      },
    },
    {
      name: 'settings',
      open: async ({ page }) => {
        await goTo('settings');
        await page.getByLabel('Electricity price').waitFor();
      },
    },
  ];

  // The desktop app has the dialog of the system.
  const shown = pages.filter(({ name }) => !isDesktop || name !== 'folders');
  it.each(shown)('shows $name accessibly in both themes at every width', async ({ name, open }) => {
    const { page } = app;
    for (const width of widths) {
      await page.setViewportSize({ width, height: width > 800 ? 900 : 844 });
      await open(app);
      for (const theme of themes) await checkAppearance(page, name, theme, width, name !== 'folders');
      await page.keyboard.press('Escape');
      await goTo('nothing');
    }
  });
});

if (process.env['CAMBIUM_DOCS'] === '1')
  scenario('screenshots of the documentation', (app) => {
    const images = join(root, 'docs', 'images');
    const builtIn = join(root, 'resources', 'demo', 'seedling');
    /** Takes a screenshot of the window, scrolled to the region `from`. */
    const takeScreenshot = async (name: string, height: number, from?: string): Promise<void> => {
      await app.page.setViewportSize({ width: 1280, height });
      await app.page.evaluate('scrollTo(0, 0)');
      if (from !== undefined)
        await app.page.getByRole('region', { name: from, exact: true }).evaluate((element) => {
          (element as unknown as { scrollIntoView(): void }).scrollIntoView();
        });
      const bytes = await app.page.screenshot({ path: join(images, `${name}.png`), animations: 'disabled' });
      expect(bytes.length, `bytes of ${name}.png`).toBeLessThan(250_000);
    };

    it('are taken with the demo checkpoint', async () => {
      const { page } = app;
      expect(existsSync(join(builtIn, 'model.safetensors')), 'resources/demo/seedling').toBe(true);
      mkdirSync(images, { recursive: true });
      await page.getByRole('button', { name: 'Light', exact: true }).click();
      await takeScreenshot('library', 720);
      await page.getByTestId('demo').click();
      await checkpointPage(page).facts.waitFor();
      await checkpointPage(page).grow();
      await growPage(page).plan.waitFor();
      await takeScreenshot('sizes', 830, 'Sizes');
      await takeScreenshot('grow', 860, 'Weights');
      await growPage(page).growButton.click();
      await growingPage(page).waitForCertificate();
      await takeScreenshot('certificate', 520);
      await growingPage(page).train();
      await trainPage(page).fill(
        app.text,
        {
          Tokens: 60 * 8 * 128,
          'Micro-batch size': 8,
          'Context length': 128,
          'Warmup steps': 5,
          'Evaluate every': 15,
          'Save every': 30,
          'Sample every': 20,
        },
        'Grown and trained further',
      );
      await trainPage(page).start();
      const lastStep = async (): Promise<number> => (await runPage(page).readCurve())?.last.step ?? 0;
      await expect.poll(lastStep, { timeout: 240_000 }).toBeGreaterThanOrEqual(45);
      await takeScreenshot('run', 1180);
    });
  });
