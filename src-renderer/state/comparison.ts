/**
 * @file Runs side by side: their curves over one axis, the settings in which they differ, and what each needs
 * to reach a loss.
 */
import uPlot from 'uplot';
import type { RunCard } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { reached } from '../../src-main/train/reached.ts';
import { trainingDefaults, trainingOptions, type TrainingSettings } from '../../src-main/train/settings.ts';
import { axisKinds, type AxisKind, type XAxis } from './chart-axes.ts';
import { curveData } from './chart-series.ts';
import { RunView } from './run.svelte.ts';

export interface Compared {
  readonly card: RunCard;
  readonly view: RunView;
}

/** A run as it stands now. */
export async function standing(service: Pick<Service, 'run' | 'runHistory'>, id: string): Promise<Compared> {
  const [card, { events }] = await Promise.all([service.run({ id }), service.runHistory({ id })]);
  const view = new RunView((draw) => {
    draw();
  });
  for (const event of events) view.take(event);
  return { card, view };
}

/**
 * Runs that `card` can be seen beside: those of the same checkpoint from random weights first, which tell
 * what growing saved.
 */
export function beside(
  card: RunCard,
  runs: readonly RunCard[],
): { readonly runs: readonly RunCard[]; readonly scratch: RunCard | undefined } {
  const others = runs.filter((run) => run.id !== card.id && run.step > 0);
  const scratch = others.find(
    (run) =>
      run.settings.start === 'random' &&
      card.settings.start === 'source' &&
      run.checkpoint === card.checkpoint,
  );
  return { runs: scratch ? [scratch, ...others.filter((run) => run !== scratch)] : others, scratch };
}

/** x, and one column for each run. */
export function overlaid(runs: readonly Compared[], over: XAxis, smoothing?: number): uPlot.AlignedData {
  const each = runs
    .map(({ view }) => curveData(view, over, smoothing))
    .map((data) => (data[0].length > 0 ? data : ([[], []] as unknown as uPlot.AlignedData)));
  return each.length === 0 ? [[]] : each.length === 1 ? each[0]! : uPlot.join(each as uPlot.AlignedData[]);
}

/** The last loss of a curve, held out where it was measured. */
export const lastLoss = (view: RunView): number =>
  view.heldOut.length > 1
    ? view.heldOut.at(-1)
    : view.loss.length > 0
      ? Number(curveData(view, 'steps')[1]!.at(-1))
      : Number.NaN;

/** How far along an axis a run is when its curve first comes down to `loss`; null when it never does. */
export function needed(view: RunView, over: XAxis, loss: number): number | null {
  const [x, y] = curveData(view, over) as unknown as [ArrayLike<number>, ArrayLike<number | null>];
  return reached(
    Array.from(x, (v, i) => ({ x: v, loss: y[i] ?? Number.NaN })).filter(
      (p) => Number.isFinite(p.x) && Number.isFinite(p.loss),
    ),
    loss,
  );
}

/** What is told of reaching a loss: tokens, time, and energy and money where any run knows them. */
export const costAxes = (runs: readonly Compared[]): readonly AxisKind[] =>
  axisKinds.filter(
    ({ id }) =>
      id === 'tokens' ||
      id === 'time' ||
      ((id === 'energy' || id === 'money') &&
        runs.some(({ view }) => view.readings.some((r) => (r[id] ?? 0) > 0))),
  );

/** Settings, checkpoints and texts that are not the same in all runs. */
export function differences(
  cards: readonly RunCard[],
): readonly { readonly what: string; readonly values: readonly string[] }[] {
  const rows = [
    { what: 'Checkpoint', values: cards.map((card) => card.checkpoint) },
    { what: 'Text', values: cards.map((card) => card.data.join(', ')) },
    ...Object.keys(trainingDefaults).map((id) => ({
      what: trainingOptions.find((option) => option.id === id)?.label ?? id,
      values: cards.map((card) => String(card.settings[id as keyof TrainingSettings])),
    })),
  ];
  return rows.filter(({ values }) => new Set(values).size > 1);
}
