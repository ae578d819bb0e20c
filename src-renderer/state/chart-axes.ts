/**
 * @file What a run's curves can be drawn over: steps, tokens, arithmetic, hours, energy, money; each from its
 * events alone.
 */
import { count, duration, measured } from '../format.ts';
import type { RunView } from './run.svelte.ts';
import type { Column } from './series.ts';

export type XAxis = 'steps' | 'tokens' | 'flops' | 'time' | 'energy' | 'money';

export interface AxisKind {
  readonly id: XAxis;
  readonly label: string;
  readonly format: (x: number) => string;
  /** Whole numbers only. */ readonly whole?: true;
}
export const axisKinds: readonly AxisKind[] = [
  { id: 'steps', label: 'Steps', format: count, whole: true },
  { id: 'tokens', label: 'Tokens', format: count, whole: true },
  { id: 'flops', label: 'FLOPs', format: (x) => x.toExponential(1) },
  { id: 'time', label: 'Time', format: duration },
  { id: 'energy', label: 'kWh', format: (x) => measured(x, 3) },
  { id: 'money', label: 'US$', format: (x) => measured(x, 3) },
];

/** Six for each parameter and token: a forward and a backward pass without attention's own products. */
const flopsPerParameter = 6;

/** The axes that this run has numbers for. */
export const axesOf = (view: RunView): readonly AxisKind[] =>
  axisKinds.filter(({ id }) =>
    id === 'energy' || id === 'money'
      ? view.readings.some((r) => r[id] !== null && r[id] > 0)
      : id !== 'flops' || view.started !== null,
  );

/** The axis at each of `steps`, whose tokens and seconds are given beside them. */
export function along(
  view: RunView,
  over: XAxis,
  { steps, tokens, time }: { readonly steps: Column; readonly tokens: Column; readonly time: Column },
): Float64Array {
  if (over === 'steps') return steps.values;
  if (over === 'tokens') return tokens.values;
  if (over === 'time') return time.values;
  if (over === 'flops')
    return tokens.values.map((t) => flopsPerParameter * (view.started?.parameters ?? Number.NaN) * t);
  return spentAt(view, over, steps.values);
}

/** Energy or money at each step, straight between two readings. */
function spentAt(view: RunView, what: 'energy' | 'money', steps: Float64Array): Float64Array {
  const known = view.readings.flatMap((r) => (r[what] === null ? [] : [{ step: r.step, value: r[what] }]));
  let at = 0;
  return steps.map((step) => {
    while (at + 1 < known.length && known[at + 1]!.step <= step) at++;
    const a = known[at];
    const b = known[at + 1];
    if (!a) return Number.NaN;
    if (step <= a.step) return a.step > 0 ? (a.value * step) / a.step : a.value;
    return b && b.step > a.step
      ? a.value + ((b.value - a.value) * (step - a.step)) / (b.step - a.step)
      : a.value;
  });
}
