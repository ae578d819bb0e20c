import { cleanup, render, screen, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assumptionOptions } from '../../../src-main/cost/assumptions.ts';
import type { Forecast } from '../../../src-main/cost/forecast.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { age, between, carbon, energy, money } from '../../../src-renderer/parts/cost/cost-figures.ts';
import CostOffers from '../../../src-renderer/parts/cost/cost-offers.svelte';
import CostPanel from '../../../src-renderer/parts/cost/cost-panel.svelte';
import CostRun from '../../../src-renderer/parts/cost/cost-run.svelte';
import { withForecast } from '../../../src-renderer/state/chart-series.ts';
import { CostState } from '../../../src-renderer/state/cost.svelte.ts';
import { RunView } from '../../../src-renderer/state/run.svelte.ts';
import { bare, cpu } from '../../cost/subjects.ts';
import { cardOf, fakeService, stories } from '../fake-service.ts';

afterEach(cleanup);
const card = cardOf(stories, '/data/stories260K');

async function costOf(change: Partial<TrainingSettings> = {}, service = fakeService(0)): Promise<CostState> {
  const cost = new CostState(service, card.dir);
  cost.consider({ subject: card, training: { ...trainingDefaults, ...change } });
  await expect.poll(() => cost.told, { timeout: 10_000 }).toBeDefined();
  return cost;
}

describe('figures', () => {
  it('say what is known, and no more', () => {
    expect(between({ low: 1, likely: 2, high: 3 }, String)).toBe('1 to 3');
    expect(between({ low: 2, likely: 2, high: 2 }, String)).toBe('2');
    expect([money(0), money(0.0004), money(0.02), money(1.239), money(1234.5)]).toEqual([
      '$ 0',
      '< $ 0.001',
      '$ 0.020',
      '$ 1.24',
      '$ 1\u202f235',
    ]);
    expect([energy(0.0121), energy(12.345), carbon(5.4), carbon(54_321), carbon(2.5e6)]).toEqual([
      '12.1 Wh',
      '12.3 kWh',
      '5.4 g',
      '54.3 kg',
      '2.5 t',
    ]);
    expect([age(0), age(1), age(40)]).toEqual(['today', '1 day old', '40 days old']);
  });
});

describe('the panel', () => {
  it('tells time, money, memory and where they come from', async () => {
    const cost = await costOf();
    render(CostPanel, { cost, onchange: () => undefined });
    expect(screen.getByTestId('cost-time').textContent).toMatch(/\d.* to .*(s|min)/);
    expect(screen.getByTestId('cost-memory').textContent).toContain('fits');
    screen.getByText(/rates measured here on 2026-11-20/);
  });

  it('offers what would fit, each as a change of settings', async () => {
    const fake = fakeService(0);
    const service: typeof fake = {
      ...fake,
      costs: async (asked) => ({ ...(await fake.costs(asked)), targets: [{ ...cpu, memory: 1e9 }] }),
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
    const cost = await costOf({ batch: 64, sequence: 512 }, service);
    const taken = vi.fn();
    await expect
      .poll(() => cost.told!.here[0]!.alternatives?.length ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(0);
    render(CostPanel, { cost, onchange: taken });
    expect(screen.getByRole('alert').textContent).toContain('does not fit');
    screen.getAllByRole('button', { name: /^Use/ })[0]!.click();
    expect(taken).toHaveBeenCalledWith(cost.told!.here[0]!.alternatives![0]!.change);
  });

  it('counts the source that a run learns from', async () => {
    const fake = fakeService(0);
    const { family, dims, settings } = card;
    const service: typeof fake = {
      ...fake,
      costs: async (asked) => ({ ...(await fake.costs(asked)), source: { family, dims, settings } }),
    };
    const part = (cost: CostState): number | undefined =>
      cost.told!.here[0]!.memory.parts.find((p) => p.what === 'Source')?.bytes;
    expect([part(await costOf({ distill: 0.5 }, service)), part(await costOf({}, service))]).toEqual([
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
      costs: async (asked) => ({ ...(await fake.costs(asked)), targets: [known ? cpu : bare] }),
      measureDevice: async () => {
        known = true;
        return { device: cpu.id, measured: cpu.measured! };
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
    const assume = vi.spyOn(service, 'assume');
    const cost = await costOf({}, service);
    const before = cost.told!.offers[0]!.money.likely;
    cost.assume('tariff', 0.6);
    await expect
      .poll(() => cost.told!.offers[0]!.money.likely, { timeout: 10_000 })
      .toBeCloseTo(2 * before, 9);
    await expect.poll(() => assume.mock.calls, { timeout: 10_000 }).toEqual([[{ tariff: 0.6 }]]);
  });
});

describe('a run', () => {
  const view = (): RunView => {
    const seen = new RunView((draw) => {
      draw();
    });
    seen.take({
      at: 'started',
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
      seen.take({
        at: 'step',
        step,
        loss: 2 + 3 / Math.sqrt(step),
        lr: 1,
        norm: 1,
        tokens: 512 * step,
        seconds: 1,
      });
    seen.take({ at: 'measured', step: 20, stepSeconds: 1, told: 0.8, secondsLeft: 80 });
    seen.take({
      at: 'reading',
      step: 50,
      seconds: 50,
      memory: 4e8,
      watts: 60,
      utilisation: 1.9,
      temperature: null,
      energy: 0.002,
      power: 'assumed',
      money: 0.05,
    });
    return seen;
  };
  const runCard = { settings: { ...trainingDefaults, budgetMoney: 2 }, steps: 100 } as never;

  it('tells what is spent and what is to come, and the estimate beside', () => {
    render(CostRun, {
      view: view(),
      card: runCard,
      state: 'running',
      forecast: undefined,
      record: {
        version: 1,
        time: '2026-11-21T08:00:00Z',
        device: cpu.id,
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
    expect(text).toContain('$ 0.050 about $ 0.050 to come');
    expect(text).toContain('estimated: nothing here measures power');
    expect(text).toMatch(/told to take 0.8 s and takes 1.0 s \(25 % more than estimated\)/);
    expect(text).toContain('stops by itself at $ 2.00');
  });

  it('draws where it is going from here to its last step', () => {
    const curve = { floor: 2, scale: 3, power: 0.5 };
    const forecast: Forecast = {
      at: 'forecast',
      loss: 2.3,
      low: 2.2,
      high: 2.4,
      curve,
      refits: [curve, { ...curve, floor: 1.9 }, { ...curve, floor: 2.1 }],
    };
    const data = withForecast(
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
