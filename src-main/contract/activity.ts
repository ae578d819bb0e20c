/**
 * @file What happens on a place, as changes: jobs, runs and known checkpoints. The first message holds
 * everything, each later one only what is new.
 */
import type { JobCard, RunCard } from './schema.ts';

/** A checkpoint opened or made before. */
export interface Known {
  readonly dir: string;
  readonly name: string;
  readonly opened: string;
  readonly builtIn: boolean;
}

export interface Activity {
  /** All jobs, newest first, when any changed. */
  readonly jobs?: readonly JobCard[];
  /** Runs that are new or changed. */
  readonly runs?: readonly RunCard[];
  /** Ids of runs that are gone. */
  readonly gone?: readonly string[];
  /** All known checkpoints, newest first, when any changed. */
  readonly checkpoints?: readonly Known[];
}

/** States in which a run has an engine. */
export const liveStates: readonly RunCard['state'][] = ['preparing', 'running', 'pausing'];

/** `runs` after `activity`, by id. */
export function runsAfter(
  runs: readonly RunCard[],
  { runs: changed = [], gone = [] }: Activity,
): readonly RunCard[] {
  if (changed.length + gone.length === 0) return runs;
  const next = new Map(runs.map((run) => [run.id, run]));
  for (const id of gone) next.delete(id);
  for (const run of changed) next.set(run.id, run);
  return [...next.values()];
}
