/** @file The losses and growths of a run, from its events, without those of steps that the run repeated. */
import type { GrownEvent, RunEvent, StepEvent } from './run.ts';

export interface StepLoss {
  readonly step: number;
  readonly loss: number;
}

/** The losses of the steps after `from` up to `to`. */
export const listStepLosses = (events: readonly RunEvent[], from: number, to: number): readonly StepLoss[] =>
  listValid(events, 'step')
    .filter(({ step }) => step > from && step <= to)
    .map(({ step, loss }) => ({ step, loss }));

/** The growths of a run with stages, in their order. */
export const listGrowths = (events: readonly RunEvent[]): readonly GrownEvent[] => {
  const growths = listValid(events, 'grown');
  return growths.filter(({ stage }, i) => !growths.slice(i + 1).some((later) => later.stage === stage));
};

/** The events of a type that no later start or rollback made void. */
function listValid<T extends 'step' | 'grown'>(
  events: readonly RunEvent[],
  type: T,
): readonly Extract<RunEvent, { type: T }>[] {
  let valid: (StepEvent | GrownEvent)[] = [];
  for (const event of events) {
    if (event.type === 'started' || event.type === 'rolled-back')
      valid = valid.filter(({ step }) => step <= event.step);
    if ((event.type === 'step' || event.type === 'grown') && event.type === type) valid.push(event);
  }
  return valid as Extract<RunEvent, { type: T }>[];
}
