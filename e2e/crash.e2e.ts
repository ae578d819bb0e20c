/** @file Tests of crashes: the engine, the server or the connection fails, and the run resumes from its checkpoint. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { timeout, scenario } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert } from './pages/common.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 50_000_000,
  'Micro-batch size': 4,
  'Context length': 64,
  'Save every': 5,
  'Sample every': 0,
  'Evaluate every': 0,
};
const connectionErrors = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection to .* failed/;

interface EventLine {
  readonly type: string;
  readonly step?: number;
  readonly loss?: number;
}

scenario(
  'crashes',
  (app) => {
    const runFolder = (): string => join(app.home, 'runs', 'steady');
    const readEnginePid = (): number =>
      (JSON.parse(readFileSync(join(runFolder(), 'state.json'), 'utf8')) as { pid: number }).pid;
    /** Every complete line; the last one may be incomplete. */
    const readEvents = (): EventLine[] =>
      readFileSync(join(runFolder(), 'events.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as EventLine);
    /** Checks that events.jsonl has every step once, in order. */
    function expectAllSteps(): void {
      const steps = readEvents()
        .filter(({ type }) => type === 'step')
        .map(({ step }) => step);
      expect(steps).toEqual(steps.map((_, i) => i + 1));
    }

    it('starts a run of an hour', async () => {
      const checkpoint = await app.createCheckpoint('small-llama');
      const { page } = app;
      await library(page).openPath(checkpoint);
      await checkpointPage(page).train();
      await trainPage(page).fill(app.text, settings, 'steady');
      await trainPage(page).start();
      await runPage(page).waitForStep(8);
    });

    it('shows that the engine was killed, and resumes from the last checkpoint', async () => {
      const { page } = app;
      const run = runPage(page);
      process.kill(readEnginePid(), 'SIGKILL');
      await run.waitForState('Failed');
      expect(await readAlert(page)).toMatch(
        /engine process ended unexpectedly.*Resume the run from its last checkpoint/,
      );
      await expect
        .poll(() => page.getByRole('region', { name: 'Running', exact: true }).count(), { timeout })
        .toBe(0);
      const before = (await run.readCurve())!;
      const saved = Math.max(
        ...readdirSync(join(runFolder(), 'checkpoints')).map((name) =>
          Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0),
        ),
      );
      expect(saved).toBeGreaterThanOrEqual(5);

      await run.resume();
      await run.waitForState('Training');
      const after = await run.waitForStep(before.last.step + 2);
      expect(after.first).toEqual(before.first);
      await run.openTab('Log');
      await run.log
        .getByText(/Resumed at step/)
        .first()
        .waitFor();
      expectAllSteps();
    });

    it('shows a run as interrupted when its engine died without a server', async () => {
      const { page } = app;
      const pid = readEnginePid();
      app.allowComplaints(connectionErrors);
      // A stopped engine does not notice that the server is gone, so it does not save.
      process.kill(pid, 'SIGSTOP');
      await app.stopServer('SIGKILL');
      process.kill(pid, 'SIGKILL');
      await page.getByText('The server is gone. Reconnecting…').waitFor();
      await expect.poll(() => app.hasComplaint(connectionErrors), { timeout }).toBe(true);
      await app.startServer();
      await app.openPage();
      await library(app.page)
        .runs.getByRole('link', { name: /steady/ })
        .filter({ hasText: 'Interrupted' })
        .click();
      await runPage(app.page).waitForState('Interrupted');
      expect(await readAlert(app.page)).toMatch(
        /The run was interrupted\..*Resuming continues from step \d+/,
      );
      const lastStep = readEvents().findLast(({ type }) => type === 'step')!.step!;
      await runPage(app.page).resume();
      await runPage(app.page).waitForState('Training');
      await runPage(app.page).waitForStep(lastStep + 2);
      expectAllSteps();
    });

    it('saves and stops a run when the server dies', async () => {
      const run = runPage(app.page);
      const pid = readEnginePid();
      const before = readEvents().findLast(({ type }) => type === 'started')!.step!;
      // Waits until there is something to save.
      await expect.poll(() => readEvents().at(-1)!.step ?? 0, { timeout }).toBeGreaterThan(before);
      const { first } = (await run.readCurve())!;
      app.allowComplaints(connectionErrors);
      await app.stopServer('SIGKILL');
      await app.page.getByText('The server is gone. Reconnecting…').waitFor();
      expect(await run.readCurve()).toMatchObject({ first });
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
          { timeout },
        )
        .toBe(false);
      const end = readEvents().at(-1)!;
      expect(end).toMatchObject({ type: 'stopped', reason: 'requested' });
      expect(end.step).toBeGreaterThan(before);
      expect(readEvents().findLast(({ type }) => type === 'saved')!.step).toBe(end.step);
    });

    it('reconnects when the new address is opened in the same tab', async () => {
      const { port, page } = app;
      app.allowComplaints(connectionErrors);
      await app.startServer(port);
      await Promise.all([page.waitForEvent('load'), page.goto(app.address)]);
      await library(page)
        .runs.getByRole('link', { name: /steady/ })
        .filter({ hasText: 'Paused' })
        .click();
      await runPage(page).waitForState('Paused');
      await runPage(page).resume();
      await runPage(page).waitForState('Training');
      const { last } = await runPage(page).waitForStep(1);
      await runPage(page).waitForStep(last.step + 2);
    });

    it('saves and stops a run when the server is terminated', async () => {
      app.allowComplaints(connectionErrors);
      await app.stopServer('SIGTERM');
      expect(readEvents().at(-1)).toMatchObject({ type: 'stopped', reason: 'requested' });
      expectAllSteps();
      await app.page.getByText('The server is gone. Reconnecting…').waitFor();
    });
  },
  { notInDesktop: 'the page of the desktop app ends with its service' },
);
