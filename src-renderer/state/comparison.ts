/** @file Comparison of runs: curves over one axis, settings that differ, and what each needs to reach a loss. */
import uPlot from 'uplot';
import type { RunSummary } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { firstReach } from '../../src-main/train/reached.ts';
import { settingTable, trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { chartAxes, type ChartAxis, type XAxis } from './chart-axes.ts';
import { buildCurveData } from './chart-columns.ts';
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

/** x, and a column for each run. */
export function joinCurves(runs: readonly LoadedRun[], axis: XAxis, smoothing?: number): uPlot.AlignedData {
  const curves = runs.map(({ view }): uPlot.AlignedData => {
    const curve = buildCurveData(view, axis, smoothing);
    return curve[0].length > 0 ? curve : [[], []];
  });
  if (curves.length === 0) return [[]];
  return curves.length === 1 ? curves[0]! : uPlot.join(curves);
}

/** The last held-out loss, or the last smoothed training loss if the run was not evaluated; NaN without steps. */
export function lastLossOf(view: RunView): number {
  if (view.heldOut.length > 1) return view.heldOut.at(-1);
  return view.loss.length > 0 ? Number(buildCurveData(view, 'steps')[1]!.at(-1)) : Number.NaN;
}

/** Where on an axis the curve of a run first reaches `loss`; null if it never does. */
export function reachOf(view: RunView, axis: XAxis, loss: number): number | null {
  const [x, losses] = buildCurveData(view, axis);
  const points = Array.from(x, (value, i) => ({ x: value, loss: losses![i] ?? Number.NaN }));
  return firstReach(
    points.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.loss)),
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
  /** One for each run. */
  readonly values: readonly string[];
}

/** Checkpoints, texts and settings that are not the same in all runs. */
export function listDifferences(runs: readonly RunSummary[]): readonly RunDifference[] {
  const ids = Object.keys(trainingDefaults) as (keyof TrainingSettings)[];
  const rows = [
    { what: 'Checkpoint', values: runs.map((run) => run.checkpoint) },
    { what: 'Text', values: runs.map((run) => run.data.join(', ')) },
    ...ids.map((id) => ({
      what: settingTable[id as keyof typeof settingTable].label,
      values: runs.map((run) => String(run.settings[id])),
    })),
  ];
  return rows.filter(({ values }) => new Set(values).size > 1);
}
