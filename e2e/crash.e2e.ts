/**
 * @file Things that die: the engine, the server, the connection. The page tells the truth, and the work goes
 * on from what was saved.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { patience, scenario } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf } from './pages/frame.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 50_000_000,
  Batch: 4,
  Sequence: 64,
  'Save every': 5,
  'Sample every': 0,
  'Evaluate every': 0,
};
const gone = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection to .* failed/;

interface Line {
  readonly at: string;
  readonly step?: number;
  readonly loss?: number;
}

scenario('what dies', (app) => {
  const dir = (): string => join(app.home, 'runs', 'steady');
  const engine = (): number =>
    (JSON.parse(readFileSync(join(dir(), 'state.json'), 'utf8')) as { pid: number }).pid;
  /** Every line that ends: the last may be on its way. */
  const lines = (): Line[] =>
    readFileSync(join(dir(), 'events.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  /** The curve in the file has every step once, in order. */
  const unbroken = (): void => {
    const steps = lines()
      .filter((e) => e.at === 'step')
      .map((e) => e.step);
    expect(steps).toEqual(steps.map((_, i) => i + 1));
  };

  it('starts a run that would take an hour', async () => {
    const checkpoint = await app.checkpoint('small-llama');
    const { page } = app;
    await library(page).type(checkpoint);
    await checkpointPage(page).train();
    await trainPage(page).fill(app.text, settings, 'steady');
    await trainPage(page).start();
    await runPage(page).reaches(8);
  });

  it('tells that the engine was killed, and resumes from what was saved', async () => {
    const { page } = app;
    const run = runPage(page);
    process.kill(engine(), 'SIGKILL');
    await run.is('Failed');
    expect(await alertOf(page)).toMatch(
      /engine process ended unexpectedly.*can be resumed from its last checkpoint/,
    );
    await expect
      .poll(() => page.getByRole('region', { name: 'Under way' }).count(), { timeout: patience })
      .toBe(0);
    const before = (await run.curve())!;
    const saved = Math.max(
      ...readdirSync(join(dir(), 'checkpoints')).map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)),
    );
    expect(saved).toBeGreaterThanOrEqual(5);

    await run.resume();
    await run.is('Training');
    const after = await run.reaches(before.last.step + 2);
    expect(after.first).toEqual(before.first);
    await run.log
      .getByText(/Went on from step/)
      .first()
      .waitFor();
    unbroken();
  });

  it('finds a run interrupted when the engine died and nobody saw it', async () => {
    const { page } = app;
    const pid = engine();
    app.allow(gone);
    process.kill(pid, 'SIGSTOP'); // it must not hear that its server is gone, or it would save and leave
    await app.endServer('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await page.getByText('The connection is lost; trying again.').waitFor();
    await expect.poll(() => app.heard(gone), { timeout: patience }).toBe(true);
    await app.serve();
    await app.open();
    await library(app.page)
      .runs.getByRole('link', { name: /steady/ })
      .filter({ hasText: 'Interrupted' })
      .click();
    await runPage(app.page).is('Interrupted');
    expect(await alertOf(app.page)).toMatch(/It stopped without saying why\..*Resume goes on from step \d+/);
    const told = lines().findLast((line) => line.at === 'step')!.step!;
    await runPage(app.page).resume();
    await runPage(app.page).is('Training');
    await runPage(app.page).reaches(told + 2);
    unbroken();
  });

  it('stops and saves when its server dies', async () => {
    const run = runPage(app.page);
    const pid = engine();
    const before = lines().findLast((line) => line.at === 'started')!.step!;
    // it has something to save
    await expect.poll(() => lines().at(-1)!.step ?? 0, { timeout: patience }).toBeGreaterThan(before);
    const { first } = (await run.curve())!;
    app.allow(gone);
    await app.endServer('SIGKILL');
    await app.page.getByText('The connection is lost; trying again.').waitFor();
    expect(await run.curve()).toMatchObject({ first });
    await expect
      .poll(
        () => {
          try {
            process.kill(pid, 0);
            return true;
          } catch {
            return false;
          }
        },
        { timeout: patience },
      )
      .toBe(false);
    const end = lines().at(-1)!;
    expect(end).toMatchObject({ at: 'stopped', reason: 'asked' });
    expect(end.step).toBeGreaterThan(before);
    expect(lines().findLast((line) => line.at === 'saved')!.step).toBe(end.step);
  });

  it('is back when the new address is opened in the same tab, on the same port', async () => {
    const { port, page } = app;
    app.allow(gone);
    await app.serve(port);
    await Promise.all([page.waitForEvent('load'), page.goto(app.address)]);
    await library(page)
      .runs.getByRole('link', { name: /steady/ })
      .filter({ hasText: 'Paused' })
      .click();
    await runPage(page).is('Paused');
    await runPage(page).resume();
    await runPage(page).is('Training');
    const { last } = await runPage(page).reaches(1);
    await runPage(page).reaches(last.step + 2);
  });

  it('asks what trains to stop and save when it is ended politely', async () => {
    app.allow(gone);
    await app.endServer('SIGTERM');
    expect(lines().at(-1)).toMatchObject({ at: 'stopped', reason: 'asked' });
    unbroken();
    await app.page.getByText('The connection is lost; trying again.').waitFor();
  });
});
