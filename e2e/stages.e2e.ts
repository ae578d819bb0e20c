/** @file Tests of runs that grow while they train: the timeline of the form, and the stages on the page of the run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scenario } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const tokensPerStep = 4 * 64;
const settings = {
  Tokens: 40 * tokensPerStep,
  'Micro-batch size': 4,
  'Context length': 64,
  'Evaluate every': 10,
  'Save every': 0,
  'Sample every': 0,
};

scenario('growing during training', (app) => {
  /** Fills the training form of a new checkpoint, and adds a growth that makes the layers twice as many. */
  const prepare = async (name: string, tokens: number): Promise<void> => {
    const dir = await app.createCheckpoint(name);
    await app.page
      .getByRole('navigation', { name: 'Main' })
      .getByRole('link', { name: 'Models', exact: true })
      .click();
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor(name);
    await checkpointPage(app.page).train();
    await trainPage(app.page).fill(app.text, { ...settings, Tokens: tokens }, `${name} run`);
    await app.page.getByRole('button', { name: 'Add a growth' }).click();
    const growth = app.page.getByRole('group', { name: 'Growth 1' });
    await growth.getByLabel('Method').selectOption('identity');
    await growth.getByLabel('layers ×').fill('2');
  };
  const stages = () => app.page.getByRole('region', { name: 'Stages' }).getByRole('listitem');

  it('happens at the tokens of the timeline, and the run exports the grown model', async () => {
    await prepare('oak', settings.Tokens);
    const timeline = app.page.getByRole('list', { name: 'Stages' }).getByRole('listitem');
    const half = `${(settings.Tokens / 2000).toFixed(2)} k tokens`;
    await expect
      .poll(() => timeline.allInnerTexts())
      .toEqual([expect.stringContaining(half), expect.stringContaining(half)]);
    await trainPage(app.page).start();
    await runPage(app.page).waitForState('Finished');
    await runPage(app.page).waitForStep(40);
    await expect
      .poll(() => stages().allInnerTexts())
      .toEqual([
        expect.stringMatching(/The checkpoint.*until it grows after 5.12 k tokens[\s\S]*done/),
        expect.stringMatching(/Identity layers to layers 4.*until the end of the run/s),
      ]);
    const exported = await runPage(app.page).exportModel();
    const config = JSON.parse(readFileSync(join(exported, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ num_hidden_layers: 4 });
  });

  it('happens when it is asked for', async () => {
    await prepare('elm', 4000 * tokensPerStep);
    const growth = app.page.getByRole('group', { name: 'Growth 1' });
    await growth.getByLabel('When').selectOption({ label: 'When I ask for it' });
    await trainPage(app.page).start();
    await runPage(app.page).waitForStep(3);
    await app.page.getByRole('button', { name: 'Grow now' }).click();
    await expect.poll(() => stages().first().innerText()).toMatch(/done/);
    await runPage(app.page).pause();
    await runPage(app.page).waitForState('Paused');
    expect(await stages().last().innerText()).toMatch(/Identity layers to layers 4/);
  });
});
