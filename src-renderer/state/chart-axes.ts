/** @file The x axes of a run's charts: steps, tokens, FLOPs, time, energy, cost. */
import { formatCount, formatDuration, formatInteger, formatNumber } from '../../src-main/base/format.ts';
import type { RunView } from './run-view.svelte.ts';
import type { Column } from './series.ts';
import type { TickFormat } from './tick-labels.ts';

export type XAxis = 'steps' | 'tokens' | 'flops' | 'time' | 'energy' | 'cost';

export interface ChartAxis {
  readonly id: XAxis;
  readonly label: string;
  readonly format: TickFormat;
  /** True if only whole numbers have a tick. */
  readonly isInteger?: true;
}
/** A count in short, or with all its digits. */
export const formatCountTick: TickFormat = (count, digits = 3) =>
  digits > 3 ? formatInteger(count) : formatCount(count);

export const chartAxes: readonly ChartAxis[] = [
  { id: 'steps', label: 'Steps', format: formatCountTick, isInteger: true },
  { id: 'tokens', label: 'Tokens', format: formatCountTick, isInteger: true },
  { id: 'flops', label: 'FLOPs', format: (x, digits = 2) => x.toExponential(digits - 1) },
  { id: 'time', label: 'Time', format: formatDuration },
  { id: 'energy', label: 'kWh', format: (x, digits = 3) => formatNumber(x, digits) },
  { id: 'cost', label: 'US$', format: (x, digits = 3) => formatNumber(x, digits) },
];

/** FLOPs per parameter and token, forward and backward, without attention (Kaplan et al. 2020). */
const flopsPerParameter = 6;

/** The axes that the run has data for. */
export const availableAxes = (view: RunView): readonly ChartAxis[] =>
  chartAxes.filter(({ id }) => {
    if (id === 'energy' || id === 'cost') return view.usages.some((usage) => (usage[id] ?? 0) > 0);
    return id !== 'flops' || view.started !== null;
  });

/** Points of a run, as columns of equal length. */
export interface AxisColumns {
  readonly steps: Column;
  readonly tokens: Column;
  readonly time: Column;
}

/** The x value of every point on an axis. */
export function valuesAlong(view: RunView, axis: XAxis, { steps, tokens, time }: AxisColumns): Float64Array {
  switch (axis) {
    case 'steps':
      return steps.values;
    case 'tokens':
      return tokens.values;
    case 'time':
      return time.values;
    case 'flops':
      return flopsAfter(view, tokens.values);
    default:
      return interpolateUsage(view, axis, steps.values);
  }
}

/**
 * FLOPs after each number of tokens: those that the run counted in its graphs, stage by stage. Runs of earlier versions
 * did not count them.
 */
function flopsAfter({ started, growths }: RunView, tokens: Float64Array): Float64Array {
  const first = growths[0];
  const perToken = first
    ? first.flops / first.tokens
    : (started?.flopsPerToken ?? flopsPerParameter * (started?.parameters ?? Number.NaN));
  return tokens.map((count) => {
    const stage = growths.findLast((growth) => growth.tokens < count);
    return stage ? stage.flops + (count - stage.tokens) * stage.flopsPerToken : perToken * count;
  });
}

/** Energy or cost at each step, linear between two usage events. */
function interpolateUsage(view: RunView, what: 'energy' | 'cost', steps: Float64Array): Float64Array {
  const known = view.usages.flatMap((usage) =>
    usage[what] === null ? [] : [{ step: usage.step, value: usage[what] }],
  );
  let index = 0;
  return steps.map((step) => {
    while (index + 1 < known.length && known[index + 1]!.step <= step) index++;
    const before = known[index];
    const after = known[index + 1];
    if (!before) return Number.NaN;
    if (step <= before.step) return before.step > 0 ? (before.value * step) / before.step : before.value;
    if (!after || after.step <= before.step) return before.value;
    return before.value + ((after.value - before.value) * (step - before.step)) / (after.step - before.step);
  });
}
