import type uPlot from 'uplot';
import { describe, expect, it } from 'vitest';
import type { Forecast } from '../../../src-main/cost/forecast.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import {
  addCurve,
  addForecast,
  addLevel,
  buildLossData,
  findMissingSteps,
} from '../../../src-renderer/state/chart-columns.ts';
import { createEvents } from '../fake/run-events.ts';
import { createView } from '../views.ts';
import { createStep, evaluatedRun, shortRun, started } from './example-runs.ts';

/** The columns as plain arrays. */
const toArrays = (data: uPlot.AlignedData): (number | null)[][] =>
  data.map((column) => Array.from(column, (value) => value ?? null));

describe('buildLossData', () => {
  it('joins the held-out losses into every x axis', () => {
    const view = createView(createEvents(trainingDefaults, 120));
    for (const axis of ['steps', 'tokens', 'time'] as const) {
      const [x, raw, smoothed, heldOut] = buildLossData(view, axis, 0.9);
      // Step 0 has only a held-out loss.
      expect(x!.length).toBe(121);
      expect(raw!.length).toBe(x!.length);
      expect(smoothed!.length).toBe(x!.length);
      expect([...heldOut!].filter((loss) => loss !== null && loss !== undefined).length).toBe(2);
      expect([...x!].every((value, i) => i === 0 || value > x![i - 1]!)).toBe(true);
    }
  });

  it('thins long runs', () => {
    const steps = Array.from({ length: 20_000 }, (_, i) => createStep(i + 1, Math.sin(i)));
    const view = createView([started, ...steps]);
    expect(buildLossData(view, 'steps', 0.9)[0]!.length).toBeLessThanOrEqual(3000);
  });
});

describe('addCurve and addLevel', () => {
  it('add the curve of another run and a constant', () => {
    const own = toArrays(buildLossData(shortRun, 'steps', 0));
    const withCurve = addCurve(buildLossData(shortRun, 'steps', 0), evaluatedRun, 'steps', { smoothing: 0 });
    const all = toArrays(addLevel(withCurve, 5));
    expect(all.length).toBe(own.length + 2);
    expect([all[0], all.at(-2), all.at(-1)]).toEqual([
      [0, 1, 2, 4],
      [5, null, null, 1],
      [5, 5, 5, 5],
    ]);
  });

  it('add an empty column for a run without steps', () => {
    const data = addCurve(buildLossData(shortRun, 'steps', 0), createView([started]), 'steps');
    expect(toArrays(data).at(-1)).toEqual([null, null]);
  });
});

describe('a zoomed part of a long run', () => {
  const allSteps = Array.from({ length: 1000 }, (_, i) => createStep(i + 1, Math.sin(i)));
  const thinnedSteps = allSteps.filter((_, i) => i % 100 === 0 || i === 999);
  const thinned = createView([started, ...thinnedSteps]);

  it('is missing steps if the view has only some of them', () => {
    expect(findMissingSteps(thinned, 'steps', { min: 250, max: 320 })).toEqual({ from: 201, to: 401 });
    expect(findMissingSteps(thinned, 'tokens', { min: 2500, max: 3200 })).toEqual({ from: 201, to: 401 });
    const complete = createView([started, ...allSteps]);
    expect(findMissingSteps(complete, 'steps', { min: 250, max: 320 })).toBeNull();
    expect(findMissingSteps(createView([started]), 'steps', { min: 0, max: 1 })).toBeNull();
  });

  it('has every loaded step at its place on each axis, and one step on either side', () => {
    const steps = allSteps.slice(200, 401);
    const withElapsed = (events: typeof allSteps): typeof allSteps =>
      events.map((event) => ({ ...event, elapsed: 2 * event.step }));
    const complete = createView([started, ...withElapsed(allSteps)]);
    const partial = createView([started, ...withElapsed(thinnedSteps)]);
    for (const [axis, unit] of [
      ['steps', 1],
      ['tokens', 10],
      ['time', 2],
    ] as const) {
      const part = { min: 250 * unit, max: 320 * unit };
      const [x, losses] = buildLossData(partial, axis, 0, { ...part, steps });
      const [expectedX, expectedLosses] = buildLossData(complete, axis, 0, { ...part, steps: [] });
      expect([x!.length, x![0], x!.at(-1)]).toEqual([73, 249 * unit, 321 * unit]);
      for (const [i, value] of Array.from(expectedX!).entries()) expect(x![i]).toBeCloseTo(value!, 9);
      expect(losses).toEqual(expectedLosses);
    }
  });
});

describe('addForecast', () => {
  it('adds the band from the newest step to the last', () => {
    const steps = Array.from({ length: 50 }, (_, i) => createStep(i + 1, 2 + 3 / Math.sqrt(i + 1)));
    const view = createView([started, ...steps]);
    const curve = { asymptote: 2, scale: 3, exponent: 0.5 };
    const forecast: Forecast = {
      type: 'forecast',
      loss: 2.3,
      low: 2.2,
      high: 2.4,
      curve,
      refits: [curve, { ...curve, asymptote: 1.9 }, { ...curve, asymptote: 2.1 }],
    };
    const data: uPlot.AlignedData = [
      [1, 50],
      [5, 2.4],
      [5, 2.4],
      [null, null],
    ];
    const withBand = addForecast(data, view, 'steps', forecast);
    expect(withBand).toHaveLength(7);
    expect(withBand[0].at(-1)).toBe(100);
    const [low, likely, high] = toArrays(withBand)
      .slice(4)
      .map((column) => column.at(-1)!);
    expect(low).toBeLessThan(likely!);
    expect(likely).toBeCloseTo(2.3, 9);
    expect(high).toBeGreaterThan(likely!);
  });
});
