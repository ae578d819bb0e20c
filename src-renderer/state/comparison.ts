/** @file Comparison of runs: curves over one axis, settings that differ, and what each needs to reach a loss. */
import uPlot from 'uplot';
import type { RunSummary } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { firstReach } from '../../src-main/train/reached.ts';
import type { Setting } from '../../src-main/train/setting.ts';
import { settingTable, trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { chartAxes, type ChartAxis, type XAxis } from './chart-axes.ts';
import { buildCurveData, defaultLossOf, type ComparedLoss, type CurveOptions } from './chart-columns.ts';
import { finitePoints, valueAt, type Curve } from './curve-difference.ts';
import { describeSetting } from './run-settings.ts';
import { RunView } from './run-view.svelte.ts';

export interface LoadedRun {
  readonly run: RunSummary;
  readonly view: RunView;
}

/** Reads a run and its events so far. */
export async function loadRun(service: Pick<Service, 'run' | 'runHistory'>, id: string): Promise<LoadedRun> {
  const [run, { events }] = await Promise.all([service.run({ id }), service.runHistory({ id })]);
  const view = new RunView((draw) => {
    draw();
  });
  for (const event of events) view.add(event);
  return { run, view };
}

export interface ComparableRuns {
  readonly runs: readonly RunSummary[];
  /** The run of the same checkpoint from random weights: the baseline that shows what growing saves. */
  readonly baseline: RunSummary | undefined;
}

/** The runs to which `run` can be compared, the baseline first. */
export function findComparableRuns(run: RunSummary, runs: readonly RunSummary[]): ComparableRuns {
  const others = runs.filter((other) => other.id !== run.id && other.step > 0);
  const baseline = others.find(
    (other) =>
      other.settings.init === 'random' &&
      run.settings.init === 'checkpoint' &&
      other.checkpoint === run.checkpoint,
  );
  if (!baseline) return { runs: others, baseline };
  return { runs: [baseline, ...others.filter((other) => other !== baseline)], baseline };
}

export const lossLabels: Readonly<Record<ComparedLoss, string>> = {
  'held-out': 'Held-out loss',
  training: 'Training loss',
};

/** The held-out loss if all runs were evaluated, otherwise the training loss: two kinds do not compare. */
export const sharedLossOf = (runs: readonly LoadedRun[]): ComparedLoss =>
  runs.every(({ view }) => defaultLossOf(view) === 'held-out') ? 'held-out' : 'training';

/** x, and a column for each curve. */
export function joinColumns(curves: readonly uPlot.AlignedData[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  const filled = curves.map((curve): uPlot.AlignedData => (curve[0].length > 0 ? curve : [[], []]));
  return filled.length === 1 ? filled[0]! : uPlot.join(filled);
}

/** x, and a column for each run. */
export const joinCurves = (
  runs: readonly LoadedRun[],
  axis: XAxis,
  options?: CurveOptions,
): uPlot.AlignedData => joinColumns(runs.map(({ view }) => buildCurveData(view, axis, options)));

/** The finite points of one loss of a run. */
export const curveOf = (view: RunView, axis: XAxis, options?: CurveOptions): Curve =>
  finitePoints(buildCurveData(view, axis, options));

export interface CurveSample {
  readonly x: number;
  /** One for each curve; NaN where it has none. */
  readonly losses: readonly number[];
}

/** The values of all curves at `count` places, evenly spread over the x axis. */
export function sampleCurves(curves: readonly Curve[], count: number): readonly CurveSample[] {
  const ends = curves.flatMap(({ x }) => (x.length > 0 ? [x[0]!, x.at(-1)!] : []));
  if (ends.length === 0) return [];
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const places = Array.from({ length: count }, (_, i) => from + ((to - from) * i) / Math.max(1, count - 1));
  return [...new Set(places)].map((x) => ({ x, losses: curves.map((curve) => valueAt(curve, x)) }));
}

/** The last value of the curve of a run; NaN without one. */
export const lastLossOf = (view: RunView, options?: CurveOptions): number =>
  Number(buildCurveData(view, 'steps', options)[1]?.at(-1) ?? Number.NaN);

/** Where on an axis the curve of a run first reaches `loss`; null if it never does. */
export function reachOf(view: RunView, axis: XAxis, loss: number, options?: CurveOptions): number | null {
  const { x, y } = curveOf(view, axis, options);
  return firstReach(
    Array.from(x, (value, i) => ({ x: value, loss: y[i]! })),
    loss,
  );
}

/** The axes on which the cost of a loss is compared: tokens, time, and energy and cost if any run has them. */
export const costAxesOf = (runs: readonly LoadedRun[]): readonly ChartAxis[] =>
  chartAxes.filter(({ id }) => {
    if (id === 'tokens' || id === 'time') return true;
    if (id !== 'energy' && id !== 'cost') return false;
    return runs.some(({ view }) => view.usages.some((usage) => (usage[id] ?? 0) > 0));
  });

export interface RunDifference {
  readonly what: string;
  /** True if the values are paths. */
  readonly isPath?: true;
  /** One for each run. */
  readonly values: readonly string[];
}

/** Checkpoints, texts and settings that are not the same in all runs. */
export function listDifferences(runs: readonly RunSummary[]): readonly RunDifference[] {
  const ids = Object.keys(trainingDefaults) as (keyof TrainingSettings)[];
  const rows = [
    { what: 'Checkpoint', isPath: true as const, values: runs.map((run) => run.checkpoint) },
    { what: 'Text', isPath: true as const, values: runs.map((run) => run.data.join(', ')) },
    ...ids.map((id) => {
      const setting: Setting = settingTable[id as keyof typeof settingTable];
      return {
        what: setting.label,
        values: runs.map((run) => describeSetting(setting, run.settings[id])),
      };
    }),
  ];
  return rows.filter(({ values }) => new Set(values).size > 1);
}
