import { cleanup, render, screen, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assumptionOptions } from '../../../src-main/cost/assumptions.ts';
import type { Forecast } from '../../../src-main/cost/forecast.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import CostOffers from '../../../src-renderer/parts/cost/price-table.svelte';
import CostPanel from '../../../src-renderer/parts/cost/estimate-panel.svelte';
import CostRun from '../../../src-renderer/parts/cost/run-cost.svelte';
import { addForecast } from '../../../src-renderer/state/chart-data.ts';
import { EstimateState } from '../../../src-renderer/state/estimate.svelte.ts';
import { RunView } from '../../../src-renderer/state/run-view.svelte.ts';
import { unknownCpu, measuredCpu } from '../../cost/subjects.ts';
import { cardOf, fakeService, stories } from '../fake-service.ts';

afterEach(cleanup);
const card = cardOf(stories, '/data/stories260K');

async function costOf(change: Partial<TrainingSettings> = {}, service = fakeService(0)): Promise<EstimateState> {
  const cost = new EstimateState(service, card.dir);
  cost.update({ subject: card, training: { ...trainingDefaults, ...change } });
  await expect.poll(() => cost.estimate, { timeout: 10_000 }).toBeDefined();
  return cost;
}

describe('the panel', () => {
  it('tells time, money, memory and where they come from', async () => {
    const cost = await costOf();
    render(CostPanel, { cost, onchange: () => undefined });
    expect(screen.getByTestId('cost-time').textContent).toMatch(/\d.*–.*(s|min)/);
    expect(screen.getByTestId('cost-memory').textContent).toContain('fits');
    screen.getByText(/rates measured here on 2026-11-20/);
  });

  it('offers what would fit, each as a change of settings', async () => {
    const fake = fakeService(0);
    const service: typeof fake = {
      ...fake,
      costs: async (asked) => ({ ...(await fake.costs(asked)), targets: [{ ...measuredCpu, memory: 1e9 }] }),
      estimate: async (asked) => {
        const e = await fake.estimate(asked);
        return {
          ...e,
          here: e.here.map((on) => ({
            ...on,
            alternatives: [
              { what: 'batch 8, accumulate 8', change: { batch: 8, accumulate: 8 }, bytes: 5e8 },
            ],
          })),
        };
      },
    };
    const cost = await costOf({ microBatch: 64, contextLength: 512 }, service);
    const taken = vi.fn();
    await expect
      .poll(() => cost.estimate!.here[0]!.alternatives?.length ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(0);
    render(CostPanel, { cost, onchange: taken });
    expect(screen.getByRole('alert').textContent).toContain('does not fit');
    screen.getAllByRole('button', { name: /^Use/ })[0]!.click();
    expect(taken).toHaveBeenCalledWith(cost.estimate!.here[0]!.alternatives![0]!.change);
  });

  it('counts the source that a run learns from', async () => {
    const fake = fakeService(0);
    const { family, dims, settings } = card;
    const service: typeof fake = {
      ...fake,
      costs: async (asked) => ({ ...(await fake.costs(asked)), source: { family, dims, settings } }),
    };
    const part = (cost: EstimateState): number | undefined =>
      cost.estimate!.here[0]!.memory.parts.find((p) => p.what === 'Source')?.bytes;
    expect([part(await costOf({ distillWeight: 0.5 }, service)), part(await costOf({}, service))]).toEqual([
      4 * card.parameters,
      undefined,
    ]);
  });

  it('says so where no device here computes in the precision', async () => {
    render(CostPanel, { cost: await costOf({ precision: 'bfloat16' }), onchange: () => undefined });
    expect(screen.getByRole('alert').textContent).toContain(
      'No device of this computer computes in this precision',
    );
    expect(screen.getByTestId('cost-time').textContent).toBe('–');
  });

  it('asks for a measurement where nothing is known, and uses it', async () => {
    const fake = fakeService(0);
    let known = false;
    const service: typeof fake = {
      ...fake,
      costs: async (asked) => ({ ...(await fake.costs(asked)), targets: [known ? measuredCpu : unknownCpu] }),
      measureDevice: async () => {
        known = true;
        return { device: measuredCpu.id, measured: measuredCpu.measured! };
      },
    };
    const cost = await costOf({}, service);
    render(CostPanel, { cost, onchange: () => undefined });
    expect(screen.getByTestId('cost-time').textContent).toBe('unknown');
    screen.getByRole('button', { name: 'Measure this device' }).click();
    await expect.poll(() => screen.getByTestId('cost-time').textContent, { timeout: 10_000 }).toMatch(/ to /);
  });
});

describe('offers', () => {
  it('have the person\u2019s own first and every price with its source and date', async () => {
    const cost = await costOf();
    render(CostOffers, { cost, now: '2026-11-21T12:00:00Z' });
    const rows = screen.getAllByRole('row').slice(1);
    expect(within(rows[0]!).getByText('(here)')).toBeDefined();
    for (const row of rows.slice(1))
      expect(within(row).getByRole('link').textContent).toMatch(/read 2026-\d\d-\d\d/);
    expect(within(rows[1]!).getByRole('link').getAttribute('href')).toMatch(/^https:/);
    expect(screen.getByTestId('from-scratch').textContent).toMatch(/From random weights/);
    for (const option of assumptionOptions) screen.getByLabelText(option.label);
  });

  it('follow an assumption at once, and keep it', async () => {
    const service = fakeService(0);
    const assume = vi.spyOn(service, 'setAssumptions');
    const cost = await costOf({}, service);
    const before = cost.estimate!.offers[0]!.money.likely;
    cost.setAssumption('tariff', 0.6);
    await expect
      .poll(() => cost.estimate!.offers[0]!.money.likely, { timeout: 10_000 })
      .toBeCloseTo(2 * before, 9);
    await expect.poll(() => assume.mock.calls, { timeout: 10_000 }).toEqual([[{ tariff: 0.6 }]]);
  });
});

describe('a run', () => {
  const view = (): RunView => {
    const seen = new RunView((draw) => {
      draw();
    });
    seen.add({
      type: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'Chip',
      parameters: 1,
      steps: 100,
      trainTokens: 1,
      heldOutTokens: 0,
      time: '',
    });
    for (let step = 1; step <= 50; step++)
      seen.add({
        type: 'step',
        step,
        loss: 2 + 3 / Math.sqrt(step),
        lr: 1,
        gradNorm: 1,
        tokens: 512 * step,
        seconds: 1,
      });
    seen.add({ type: 'measured', step: 20, stepSeconds: 1, estimated: 0.8, secondsLeft: 80 });
    seen.add({
      type: 'usage',
      step: 50,
      seconds: 50,
      memory: 4e8,
      watts: 60,
      utilisation: 1.9,
      temperature: null,
      energy: 0.002,
      powerSource: 'assumed',
      cost: 0.05,
    });
    return seen;
  };
  const summarizeRun = { settings: { ...trainingDefaults, budgetMoney: 2 }, steps: 100 } as never;

  it('tells what is spent and what is to come, and the estimate beside', () => {
    render(CostRun, {
      view: view(),
      card: summarizeRun,
      state: 'running',
      forecast: undefined,
      record: {
        version: 1,
        time: '2026-11-21T08:00:00Z',
        device: measuredCpu.id,
        kind: 'cpu',
        precision: 'float32',
        price: { value: 3.6, unit: 'hour', source: 'your price', time: '2026-11-21T08:00:00Z' },
        assumptions: {} as never,
        told: {
          stepSeconds: 0.8,
          plainStepSeconds: 0.8,
          seconds: { low: 1, likely: 2, high: 3 },
          memory: 4e8,
          plainMemory: 4e8,
        },
      },
    });
    const text = screen.getByTestId('run-cost').textContent!.replace(/\s+/g, ' ');
    expect(text).toContain('$0.05 about $0.05 to come');
    expect(text).toContain('estimated: nothing here measures power');
    expect(text).toMatch(/told to take 0.8 s and takes 1.0 s \(25 % more than estimated\)/);
    expect(text).toContain('stops by itself at $2.00');
  });

  it('draws where it is going from here to its last step', () => {
    const curve = { asymptote: 2, scale: 3, exponent: 0.5 };
    const forecast: Forecast = {
      type: 'forecast',
      loss: 2.3,
      low: 2.2,
      high: 2.4,
      curve,
      refits: [curve, { ...curve, asymptote: 1.9 }, { ...curve, asymptote: 2.1 }],
    };
    const data = addForecast(
      [
        [1, 50],
        [5, 2.4],
        [5, 2.4],
        [null, null],
      ],
      view(),
      'steps',
      forecast,
    );
    expect(data).toHaveLength(7);
    expect(data[0].at(-1)).toBe(100);
    const end = data[0].length - 1;
    const at = (column: number): number => (data[column] as (number | null)[])[end]!;
    expect(at(4)).toBeLessThan(at(5));
    expect(at(5)).toBeCloseTo(2.3, 9);
    expect(at(6)).toBeGreaterThan(at(5));
  });
});
