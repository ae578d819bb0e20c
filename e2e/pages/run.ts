/** @file A run's page: its state, its curve, its buttons, its samples, its export. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { patience } from '../app.ts';

/** The ends of the loss curve as the page tells them. */
export interface Curve {
  readonly first: { readonly step: number; readonly loss: number };
  readonly last: { readonly step: number; readonly loss: number };
}

export interface RunPage {
  readonly samples: Locator;
  readonly exporting: Locator;
  readonly log: Locator;
  state(): Promise<string>;
  /** Waits until the run is in this state. */
  is(state: string): Promise<void>;
  curve(): Promise<Curve | undefined>;
  /** Waits until the curve reaches this step, and tells it. */
  reaches(step: number): Promise<Curve>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Exports to the suggested folder; its path. */
  export(): Promise<string>;
}

export function runPage(page: Page): RunPage {
  const state = page.getByTestId('run-state');
  const main = page.getByRole('main');
  const exporting = page.getByRole('region', { name: 'Export' });
  const chart = page.getByRole('img', { name: /^Loss/ });
  const curve = async (): Promise<Curve | undefined> => {
    const words = await chart.getAttribute('aria-label');
    const found = /from ([\d.e-]+) at step (\d+) to ([\d.e-]+) at step (\d+)\./.exec(words ?? '');
    return found
      ? {
          first: { loss: Number(found[1]), step: Number(found[2]) },
          last: { loss: Number(found[3]), step: Number(found[4]) },
        }
      : undefined;
  };
  return {
    samples: page.getByRole('region', { name: 'Samples' }),
    exporting,
    log: page.getByRole('region', { name: 'Log' }),
    state: () => state.innerText(),
    async is(wanted) {
      await expect
        .poll(() => state.innerText(), { timeout: patience, message: 'state of the run' })
        .toBe(wanted);
    },
    curve,
    async reaches(step) {
      await expect
        .poll(async () => (await curve())?.last.step ?? 0, {
          timeout: patience,
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
    async export() {
      await exporting.getByRole('button', { name: 'Export', exact: true }).click();
      await exporting.getByText('Exported and checked.').waitFor();
      return exporting.locator('.notice .mono').innerText();
    },
  };
}
