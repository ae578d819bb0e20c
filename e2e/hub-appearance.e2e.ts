/**
 * @file Tests of the pages of the Hub in both themes at three widths. With CAMBIUM_DOCS=1 they also take the
 * screenshots of docs/hub.md.
 */
import { join } from 'node:path';
import { beforeAll, it } from 'vitest';
import { root, scenario } from './app.ts';
import { checkAppearance, themes } from './appearance.ts';
import { addModelOfOtherTool, addModels, hubServer } from './hub-fixture.ts';
import { readAlert } from './pages/common.ts';
import { hubPage, modelPage, pushPage } from './pages/hub.ts';

scenario('appearance of the Hub', (app) => {
  beforeAll(() => addModels(app));
  // Each time another model, because the page may still load the one before.
  let slowModels = 0;
  const pages: readonly {
    readonly name: string;
    readonly open: () => Promise<void>;
    readonly leave?: () => Promise<void>;
  }[] = [
    {
      name: 'hub',
      open: async () => {
        await goTo('hub?all=1');
        await hubPage(app.page).hits.first().waitFor();
      },
    },
    {
      name: 'hub-model',
      open: async () => {
        await goTo('model?repo=nursery/seedling-1');
        await modelPage(app.page).doubled.waitFor();
      },
    },
    {
      name: 'hub-gated',
      open: async () => {
        await app.page.goto(`${app.origin}/#/hub`);
        await removeToken();
        await goTo('model?repo=walled/garden');
        await readAlert(app.page);
      },
    },
    {
      name: 'hub-download',
      open: async () => {
        slowModels++;
        const repo = `looks/slow-${slowModels}`;
        hubServer.addFolder(repo, join(app.dir, 'hub-oak'));
        await goTo(`model?repo=${repo}`);
        await modelPage(app.page).facts.waitFor();
        hubServer.faults = [{ match: /GET cdn/, times: 9999, chunkDelayMs: 300 }];
        await modelPage(app.page).downloadButton.click();
        await modelPage(app.page).download.getByText(/\/s/).waitFor();
      },
      leave: async () => {
        await modelPage(app.page).pauseButton.click();
        await modelPage(app.page).resumeButton.waitFor();
        hubServer.faults = [];
      },
    },
    {
      name: 'hub-push',
      open: async () => {
        await goTo(`push?dir=${encodeURIComponent(join(app.dir, 'hub-elm'))}`);
        await pushPage(app.page).preview();
        await readAlert(app.page);
      },
    },
    {
      name: 'hub-library',
      open: async () => {
        addModelOfOtherTool(app);
        await goTo('');
        await app.page.getByRole('row', { name: /maple/ }).first().waitFor();
      },
    },
  ];
  const goTo = async (route: string): Promise<void> => {
    await app.goTo('nothing');
    await app.goTo(route);
  };
  const removeToken = async (): Promise<void> => {
    const button = app.page.getByRole('button', { name: 'Remove token' });
    await app.page
      .getByRole('region', { name: 'Your account' })
      .getByText(/Signed in|need no account/)
      .waitFor();
    if (await button.count()) {
      await button.click();
      await app.page.getByText('Most models need no account').waitFor();
    }
  };

  it.each(pages)('shows $name accessibly in both themes at every width', async ({ name, open, leave }) => {
    const { page } = app;
    for (const width of [1600, 800, 360]) {
      await page.setViewportSize({ width, height: 900 });
      await open();
      for (const theme of themes) await checkAppearance(page, name, theme, width);
      await leave?.();
    }
    await page.setViewportSize({ width: 1280, height: 860 });
  });

  it.skipIf(process.env['CAMBIUM_DOCS'] !== '1')('takes the screenshots of docs/hub.md', async () => {
    const { page } = app;
    const images = join(root, 'docs', 'images');
    const download = pages.find(({ name }) => name === 'hub-download')!;
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.getByRole('button', { name: 'Light', exact: true }).click();
    await goTo('hub?q=forest&all=1');
    await hubPage(page).hits.first().waitFor();
    await page.screenshot({ path: join(images, 'hub.png'), animations: 'disabled' });
    await goTo('model?repo=nursery/seedling-2');
    await modelPage(page).doubled.waitFor();
    await page.screenshot({ path: join(images, 'hub-model.png'), animations: 'disabled' });
    await download.open();
    await page.screenshot({ path: join(images, 'hub-fetching.png'), animations: 'disabled' });
    await download.leave!();
  });
});
