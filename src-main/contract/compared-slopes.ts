/** @file The slope of a run's loss after a growth beside that of another run, and the sentences that say it. */
import { formatCount } from '../base/format.ts';
import type { Slope } from '../cost/slope.ts';
import type { SlopesAtLoss, TokenSlope } from '../cost/slope-comparison.ts';

export interface ComparedSlopes extends Omit<SlopesAtLoss, 'type'> {
  /** Names of the two runs. */
  readonly run: string;
  readonly otherRun: string;
  /** The stage that began with the growth, from 1. */
  readonly stage: number;
  readonly parameters: number;
  /** What the other run started from. */
  readonly otherInit: 'checkpoint' | 'random';
}

/** A slope in nats per million tokens, in words. */
export const formatFall = ({ fall, low, high }: Slope): string =>
  `${fall.toPrecision(2)} nats per million tokens (90 % band ${low.toPrecision(2)} to ${high.toPrecision(2)})`;

const starts = { random: 'from random weights', checkpoint: 'from a checkpoint' } as const;

/** Says how the loss falls after a growth, and in a model of that size that trained from the start. */
export function describeComparedSlopes(compared: ComparedSlopes): string {
  const { run, otherRun, stage, parameters, otherInit, loss, grown, other, verdict } = compared;
  const at = ({ tokens }: TokenSlope): string => `${formatCount(tokens)} tokens`;
  const conclusion =
    verdict === 'not distinguishable'
      ? 'The bands overlap: the two slopes are not distinguishable.'
      : `The bands do not overlap: the loss of the grown model falls ${verdict}.`;
  return (
    `At loss ${loss.toFixed(3)}, ${at(grown)} after growing into stage ${stage}, the loss of ${run} falls by ` +
    `${formatFall(grown)}. ${otherRun}, a model of the same size (${formatCount(parameters)} parameters) ` +
    `${starts[otherInit]}, reaches this loss after ${at(other)}; there its loss falls by ${formatFall(other)}. ` +
    conclusion
  );
}
