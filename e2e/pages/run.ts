/** @file The page of a run. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { timeout } from '../app.ts';

/** Both ends of the loss curve, from its description. */
export interface Curve {
  readonly first: { readonly step: number; readonly loss: number };
  readonly last: { readonly step: number; readonly loss: number };
}

export interface RunPage {
  readonly samples: Locator;
  /** Opens one of the tabs below the loss. */
  openTab(name: 'Metrics' | 'Samples' | 'Checkpoints' | 'Cost' | 'Settings' | 'Log'): Promise<void>;
  readonly exportForm: Locator;
  readonly log: Locator;
  readState(): Promise<string>;
  waitForState(state: string): Promise<void>;
  readCurve(): Promise<Curve | undefined>;
  /** Waits until the curve reaches this step, and returns it. */
  waitForStep(step: number): Promise<Curve>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Exports to the default folder and returns its path. */
  exportModel(): Promise<string>;
}

export function runPage(page: Page): RunPage {
  const state = page.getByTestId('run-state');
  const main = page.getByRole('main');
  const openTab: RunPage['openTab'] = (name) => page.getByRole('tab', { name, exact: true }).click();
  const exporting = page.getByRole('region', { name: 'Export' });
  const chart = page.getByRole('img', { name: /^Loss/ });
  const curve = async (): Promise<Curve | undefined> => {
    const description = await chart.getAttribute('aria-label');
    const pattern = /from ([\d.e-]+) at step (\d+) to ([\d.e-]+) at step (\d+)\./;
    const match = pattern.exec(description ?? '');
    if (!match) return undefined;
    const [firstLoss, firstStep, lastLoss, lastStep] = match.slice(1).map(Number);
    return {
      first: { loss: firstLoss!, step: firstStep! },
      last: { loss: lastLoss!, step: lastStep! },
    };
  };
  return {
    samples: page.getByRole('region', { name: 'Sample texts' }),
    openTab,
    exportForm: exporting,
    log: page.getByRole('region', { name: 'Log' }),
    readState: () => state.innerText(),
    async waitForState(wanted) {
      await expect.poll(() => state.innerText(), { timeout, message: 'state of the run' }).toBe(wanted);
    },
    readCurve: curve,
    async waitForStep(step) {
      await expect
        .poll(async () => (await curve())?.last.step ?? 0, {
          timeout,
          message: 'last step of the curve',
        })
        .toBeGreaterThanOrEqual(step);
      return (await curve())!;
    },
    async pause() {
      await main.getByRole('button', { name: 'Pause', exact: true }).click();
    },
    async resume() {
      await main.getByRole('button', { name: 'Resume', exact: true }).click();
    },
    async exportModel() {
      await openTab('Checkpoints');
      await exporting.getByRole('button', { name: 'Export', exact: true }).click();
      await exporting.getByText('Exported and verified.').waitFor();
      return exporting.locator('.notice .mono').innerText();
    },
  };
}
