/** @file The stages of a run that grows while it trains, in words, with the one that is trained now. */
import { formatCount, formatNumber } from '../../src-main/base/format.ts';
import type { RunSummary } from '../../src-main/contract/schema.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import type { StageEnd, StageGrowth } from '../../src-main/train/stages.ts';

export interface StageRow {
  /** What it begins with. */
  readonly start: string;
  /** When it ends. */
  readonly end: string;
  readonly state: 'done' | 'current' | 'next';
}

const describeGrowth = ({ method, to }: StageGrowth): string => {
  const sizes = Object.entries(to).map(([axis, size]) => `${axis} ${size}`);
  return `${methods.get(method)?.title ?? method} to ${sizes.join(', ')}`;
};

function describeEnd(end: StageEnd | undefined): string {
  if (!end) return 'until the end of the run';
  const parts = [
    ...(end.tokens === undefined ? [] : [`after ${formatCount(end.tokens)} tokens`]),
    ...(end.loss === undefined ? [] : [`at a held-out loss of ${formatNumber(end.loss)}`]),
    ...(end.plateau === undefined
      ? []
      : [`when the loss falls by less than ${formatNumber(end.plateau)} nats per million tokens`]),
    ...(end.byHand ? ['when you ask for it'] : []),
  ];
  return `until it grows ${parts.join(', or ')}`;
}

/** `grown` is how often the run has grown so far. Empty for a run of one stage. */
export function listStages({ stages = [] }: Pick<RunSummary, 'stages'>, grown: number): readonly StageRow[] {
  if (stages.length < 2) return [];
  return stages.map(({ grow, until }, i) => ({
    start: grow ? `Grown by ${grow.map(describeGrowth).join(', then ')}` : 'The checkpoint',
    end: describeEnd(until),
    state: i < grown ? 'done' : i === grown ? 'current' : 'next',
  }));
}
