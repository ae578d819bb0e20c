/** @file Tests of the queue: runs that wait for the processor, their order, and a restart of the server. */
import { afterAll, expect, it } from 'vitest';
import { scenario, timeout } from './app.ts';
import { checkAppearances } from './appearance.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 50_000_000,
  'Micro-batch size': 2,
  'Context length': 32,
  'Evaluate every': 0,
  'Save every': 0,
  'Sample every': 0,
};

scenario('the queue', (app) => {
  const queue = () => app.page.getByRole('region', { name: 'Queue', exact: true });
  const navigate = async (name: string): Promise<void> => {
    await app.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  };
  const openRun = async (name: string): Promise<void> => {
    await navigate('Runs');
    await app.page.getByRole('main').getByRole('link', { name, exact: true }).first().click();
    await app.page.getByRole('heading', { level: 1, name }).waitFor();
  };
  const start = async (dir: string, name: string): Promise<void> => {
    await navigate('Models');
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor('small-llama');
    await checkpointPage(app.page).train();
    await trainPage(app.page).fill(app.text, settings, name);
    await trainPage(app.page).start();
    await app.page.getByRole('heading', { level: 1, name }).waitFor();
  };
  const waitForOrder = (names: readonly string[]): Promise<unknown> =>
    expect
      .poll(() => queue().getByRole('listitem').getByRole('link').allInnerTexts(), { timeout })
      .toEqual(names);

  it('lets runs wait for their device, and says which place they have', async () => {
    const dir = await app.createCheckpoint('small-llama');
    await start(dir, 'one');
    await runPage(app.page).waitForState('Training');
    await start(dir, 'two');
    await runPage(app.page).waitForState('Waiting, 1st for CPU');
    await start(dir, 'three');
    await runPage(app.page).waitForState('Waiting, 2nd for CPU');
    await checkAppearances(app.page, 'run-waiting');
  });

  it('is reordered by keyboard, and the focus stays on the run that moves', async () => {
    await navigate('Runs');
    await waitForOrder(['two', 'three']);
    await checkAppearances(app.page, 'queue');
    await queue().getByRole('button', { name: 'Move three up' }).focus();
    await app.page.keyboard.press('Enter');
    await waitForOrder(['three', 'two']);
    await expect
      .poll(() => app.page.evaluate('document.activeElement.getAttribute("aria-label")'), { timeout })
      .toBe('Move three down');
  });

  it('survives a restart of the server, which continues the run that trained', async () => {
    app.allowComplaints(/WebSocket|ERR_CONNECTION_REFUSED/);
    await app.stopServer('SIGTERM');
    await app.startServer();
    await app.openPage();
    await openRun('one');
    await runPage(app.page).waitForState('Training');
    await navigate('Runs');
    await waitForOrder(['three', 'two']);
  });

  it('starts the next run when the one before it is paused', async () => {
    await openRun('one');
    await runPage(app.page).pause();
    await runPage(app.page).waitForState('Paused');
    await openRun('three');
    await runPage(app.page).waitForState('Training');
    await openRun('two');
    await runPage(app.page).waitForState('Waiting, 1st for CPU');
  });

  it('is held and released, and a run leaves it or starts at once', async () => {
    await navigate('Runs');
    await queue().getByRole('button', { name: 'Hold the queue of CPU' }).click();
    await queue().getByText('held: no waiting run starts').waitFor();
    await openRun('three');
    await runPage(app.page).pause();
    await runPage(app.page).waitForState('Paused');
    await openRun('two');
    await runPage(app.page).waitForState('Waiting, 1st for CPU');
    await app.page.getByRole('button', { name: 'Remove from queue' }).click();
    await runPage(app.page).waitForState('Paused');
    await runPage(app.page).resume();
    await runPage(app.page).waitForState('Waiting, 1st for CPU');
    await app.page.getByRole('button', { name: 'Start now' }).click();
    await runPage(app.page).waitForState('Training');
    await navigate('Runs');
    await queue().getByRole('button', { name: 'Release the queue of CPU' }).click();
    await queue().waitFor({ state: 'detached' });
  });

  afterAll(() => app.stopServer('SIGKILL'));
});
