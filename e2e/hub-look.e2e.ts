/**
 * @file How the pages of the Hub look, in both themes and at three widths. With CAMBIUM_DOCS=1 it also makes
 * the pictures of docs/hub.md.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { root, scenario, screenshots } from './app.ts';
import { byOthers, furnish, server } from './hub-forest.ts';
import { alertOf } from './pages/frame.ts';
import { hubPage, modelPage, pushPage } from './pages/hub.ts';

scenario('the Hub, looked at', (app) => {
  beforeAll(() => furnish(app));
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  let slow = 0; // a model of its own each time: the page may still be judging the one before
  const shown: readonly {
    readonly name: string;
    readonly reach: () => Promise<void>;
    readonly leave?: () => Promise<void>;
  }[] = [
    {
      name: 'hub',
      reach: async () => {
        await go('hub?all=1');
        await hubPage(app.page).hits.first().waitFor();
      },
    },
    {
      name: 'hub-model',
      reach: async () => {
        await go('model?repo=nursery/seedling-1');
        await modelPage(app.page).doubled.waitFor();
      },
    },
    {
      name: 'hub-gated',
      reach: async () => {
        await app.page.goto(`${origin()}/#/hub`);
        await forget();
        await go('model?repo=walled/garden');
        await alertOf(app.page);
      },
    },
    {
      name: 'hub-fetching',
      reach: async () => {
        const repo = `looks/slow-${++slow}`;
        server.addFolder(repo, join(app.dir, 'hub-oak'));
        await go(`model?repo=${repo}`);
        await modelPage(app.page).facts.waitFor();
        server.faults = [{ on: /GET cdn/, times: 9999, slow: 300 }];
        await modelPage(app.page).fetch.click();
        await modelPage(app.page)
          .download.getByText(/ a second/)
          .waitFor();
      },
      leave: async () => {
        await modelPage(app.page).pause.click();
        await modelPage(app.page).goOn.waitFor();
        server.faults = [];
      },
    },
    {
      name: 'hub-push',
      reach: async () => {
        await go(`push?dir=${encodeURIComponent(join(app.dir, 'hub-elm'))}`);
        await pushPage(app.page).look();
        await alertOf(app.page);
      },
    },
    {
      name: 'hub-library',
      reach: async () => {
        byOthers(app);
        await go('');
        await app.page.getByRole('region', { name: 'In the Hugging Face cache' }).waitFor();
      },
    },
  ];
  const origin = (): string => new URL(app.page.url()).origin;
  const go = async (route: string): Promise<void> => {
    await app.page.goto(`${origin()}/#/nothing`);
    await app.page.goto(`${origin()}/#/${route}`);
  };
  const forget = async (): Promise<void> => {
    const button = app.page.getByRole('button', { name: 'Forget this token' });
    await app.page
      .getByRole('region', { name: 'Your account' })
      .getByText(/Signed in|No account/)
      .waitFor();
    if (await button.count()) {
      await button.click();
      await app.page.getByText('No account is needed').waitFor();
    }
  };

  it.each(shown)(
    'shows $name without fault in both themes, from 360 to 1600 px',
    async ({ name, reach, leave }) => {
      const { page } = app;
      mkdirSync(screenshots, { recursive: true });
      for (const width of [1600, 800, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await reach();
        for (const theme of ['Light', 'Dark']) {
          await page
            .getByRole('group', { name: 'Theme' })
            .getByRole('button', { name: theme })
            .evaluate((button) => {
              (button as unknown as { click(): void }).click();
            });
          const picture = await page.screenshot({
            path: join(screenshots, `${name}-${theme.toLowerCase()}-${width}.png`),
            fullPage: true,
            animations: 'disabled',
          });
          expect(picture.length).toBeGreaterThan(12_000);
          expect(
            await page.evaluate(
              'document.documentElement.scrollWidth - document.documentElement.clientWidth',
            ),
            `${width} px is too narrow`,
          ).toBe(0);
          await page.evaluate(axe);
          expect(
            await page.evaluate(
              `axe.run(document, { preload: false, resultTypes: ['violations'] }).then(({ violations }) => violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ')).join(', ')))`,
            ),
            `${name} in ${theme}`,
          ).toEqual([]);
        }
        await leave?.();
      }
      await page.setViewportSize({ width: 1280, height: 860 });
    },
  );

  it.skipIf(process.env['CAMBIUM_DOCS'] !== '1')('gives docs/hub.md its pictures', async () => {
    const { page } = app;
    const images = join(root, 'docs', 'images');
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.getByRole('button', { name: 'Light', exact: true }).click();
    await go('hub?q=forest&all=1');
    await hubPage(page).hits.first().waitFor();
    await page.screenshot({ path: join(images, 'hub.png'), animations: 'disabled' });
    await go('model?repo=nursery/seedling-2');
    await modelPage(page).doubled.waitFor();
    await page.screenshot({ path: join(images, 'hub-model.png'), animations: 'disabled' });
    await shown.find((one) => one.name === 'hub-fetching')!.reach();
    await page.screenshot({ path: join(images, 'hub-fetching.png'), animations: 'disabled' });
    await shown.find((one) => one.name === 'hub-fetching')!.leave!();
  });
});
