/** @file Tests of the checkpoints of a run: which are kept, going back, exporting and deleting one; early stopping. */
import { expect, it } from 'vitest';
import { scenario, timeout } from './app.ts';
import { checkAppearance, themes } from './appearance.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage, type FieldValues } from './pages/train.ts';

const settings = {
  Tokens: 40 * 2 * 32,
  'Micro-batch size': 2,
  'Context length': 32,
  'Learning rate': 0.003,
  'Warmup steps': 5,
  'Evaluate every': 10,
  'Save every': 10,
  'Keep every': 10,
  'Sample every': 0,
};

scenario('the checkpoints of a run', (app) => {
  const list = () => app.page.getByRole('region', { name: 'Checkpoints', exact: true });
  const train = async (name: string, more: FieldValues): Promise<void> => {
    const dir = await app.createCheckpoint(`model-of-${name}`);
    await app.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Models' }).click();
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor(`model-of-${name}`);
    await checkpointPage(app.page).train();
    await trainPage(app.page).fill(app.text, { ...settings, ...more }, name);
    await trainPage(app.page).start();
    await runPage(app.page).waitForState('Finished');
  };
  const waitForSteps = (steps: readonly string[]): Promise<unknown> =>
    expect.poll(() => list().getByRole('rowheader').allInnerTexts(), { timeout }).toEqual(steps);

  it('are listed, and one is deleted after a question', async () => {
    await train('keeper', {});
    await runPage(app.page).openTab('Checkpoints');
    await waitForSteps(['40', '30', '20', '10']);
    expect(
      await list()
        .getByRole('button', { name: /^Delete step/ })
        .count(),
    ).toBe(3);
    await list().getByRole('button', { name: 'Delete step 30' }).click();
    await list().getByText('Delete the checkpoint of step 30 for good?').waitFor();
    for (const theme of themes)
      for (const width of [1440, 390]) {
        await app.page.setViewportSize({ width, height: 900 });
        await checkAppearance(app.page, 'run-checkpoints', theme, width);
      }
    await app.page.setViewportSize({ width: 1280, height: 860 });
    await list().getByRole('button', { name: 'Cancel' }).click();
    await waitForSteps(['40', '30', '20', '10']);
    await list().getByRole('button', { name: 'Delete step 30' }).click();
    await list().getByRole('button', { name: 'Delete', exact: true }).click();
    await waitForSteps(['40', '20', '10']);
  });

  it('are exported, any of them', async () => {
    await list().getByRole('button', { name: 'Export step 20' }).click();
    const form = runPage(app.page).exportForm;
    await form.getByText('Exports the model at step 20').waitFor();
    await form.getByRole('button', { name: 'Export', exact: true }).click();
    await form.getByText('Exported and verified.').waitFor();
    expect(await form.locator('.notice .mono').innerText()).toMatch(/keeper-step-20$/);
  });

  it('are where a run goes back to, by keyboard alone', async () => {
    await list().getByRole('button', { name: 'Go back to step 20' }).focus();
    await app.page.keyboard.press('Enter');
    await list()
      .getByText('Go back to step 20? The checkpoint of step 40 and the events after step 20 are deleted.')
      .waitFor();
    await app.page.keyboard.press('Enter');
    await runPage(app.page).waitForState('Finished');
    await waitForSteps(['40', '30', '20', '10']);
    await runPage(app.page).openTab('Log');
    await runPage(app.page).log.getByText('Resumed at step 20').waitFor();
    const { last } = await runPage(app.page).waitForStep(40);
    expect(last.step).toBe(40);
  });

  it('end with a run that stops early, which says why and can go on', async () => {
    await train('early', { 'Early stopping patience': 2, 'Early stopping threshold': 50 });
    const notice = app.page.getByText(/has not improved on .* \(step 0\) in 2 evaluations\./);
    await notice.waitFor();
    expect((await runPage(app.page).waitForStep(20)).last.step).toBe(20);
    for (const theme of themes)
      for (const width of [1440, 390]) {
        await app.page.setViewportSize({ width, height: 900 });
        await checkAppearance(app.page, 'run-early-stopped', theme, width);
      }
    await app.page.setViewportSize({ width: 1280, height: 860 });
    await app.page.getByRole('button', { name: 'Train to the end' }).click();
    await runPage(app.page).waitForStep(40);
    await runPage(app.page).waitForState('Finished');
    await notice.waitFor({ state: 'detached' });
  });
});
