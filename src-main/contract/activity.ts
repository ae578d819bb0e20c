/**
 * @file The activity of a service as a stream of changes to its jobs, runs and known checkpoints. The first
 * message has everything, the later ones only what changed.
 */
import type { DeviceQueue } from './queue.ts';
import type { JobSummary, RunSummary } from './schema.ts';

/** What a list shows of a checkpoint besides its name, as it was when it was last opened or made. */
export interface CheckpointFacts {
  /** The id of its family. */
  readonly family?: string | undefined;
  readonly parameters?: number | undefined;
  /** Size of all weights in their files. */
  readonly bytes?: number | undefined;
  /** Where it comes from; absent: it was opened from a folder. */
  readonly origin?: 'grown' | 'exported' | 'downloaded' | undefined;
}

/** A checkpoint that was opened or made before. */
export interface KnownCheckpoint extends CheckpointFacts {
  readonly dir: string;
  readonly name: string;
  /** When it was last opened, ISO 8601. */
  readonly opened: string;
  /** True for the checkpoint that comes with Cambium. */
  readonly builtIn: boolean;
}

export interface Activity {
  /** All jobs, newest first, if any changed. */
  readonly jobs?: readonly JobSummary[];
  /** The runs that are new or changed. */
  readonly runs?: readonly RunSummary[];
  /** The ids of runs that no longer exist. */
  readonly gone?: readonly string[];
  /** The queues of all devices, if any changed. */
  readonly queue?: readonly DeviceQueue[];
  /** All known checkpoints, newest first, if any changed. */
  readonly checkpoints?: readonly KnownCheckpoint[];
}

/** The states in which a run has an engine. */
export const activeStates: readonly RunSummary['state'][] = ['preparing', 'running', 'pausing'];

/** Applies the changes of an activity message to `runs`. */
export function mergeRuns(
  runs: readonly RunSummary[],
  { runs: changed = [], gone = [] }: Activity,
): readonly RunSummary[] {
  if (changed.length + gone.length === 0) return runs;
  const next = new Map(runs.map((run) => [run.id, run]));
  for (const id of gone) next.delete(id);
  for (const run of changed) next.set(run.id, run);
  return [...next.values()];
}
