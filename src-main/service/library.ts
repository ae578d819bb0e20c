/** @file The checkpoints that were opened or made on this computer, and the built-in one. */
import { basename, join } from 'node:path';
import type { CheckpointFacts, KnownCheckpoint } from '../contract/activity.ts';
import type { CheckpointSummary } from '../contract/schema.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { builtInCheckpoint, toAbsolutePath, type Dependencies } from './dependencies.ts';

/** Newest first. Deleted folders are left out; the built-in checkpoint is last unless it was opened. */
export async function listCheckpoints(dependencies: Dependencies): Promise<readonly KnownCheckpoint[]> {
  const builtInDir = builtInCheckpoint(dependencies);
  const opened = await dependencies.home.listCheckpoints();
  const known: KnownCheckpoint[] = opened.map((checkpoint) => ({
    ...checkpoint,
    builtIn: checkpoint.dir === builtInDir,
  }));
  if (!known.some(({ builtIn }) => builtIn) && (await exists(join(builtInDir, 'config.json'))))
    known.push({ dir: builtInDir, name: 'Demo checkpoint', opened: '', builtIn: true });
  return known;
}

/** Adds a checkpoint that Cambium made to the known ones. */
export async function rememberMade(
  { home }: Pick<Dependencies, 'home'>,
  dir: string,
  origin: NonNullable<CheckpointFacts['origin']>,
  name = basename(dir),
): Promise<void> {
  // A list that does not know its size is better than a failed job.
  const summary = await openCheckpoint(dir).then(
    (checkpoint) => checkpoint.summary,
    () => undefined,
  );
  const { family, parameters, bytes } = summary ?? {};
  await home.rememberCheckpoint(dir, name, { family, parameters, bytes, origin });
}

/** Reads the headers of a checkpoint and adds it to the known ones. */
export async function openAndRemember({ home }: Dependencies, dir: string): Promise<CheckpointSummary> {
  const { summary } = await openCheckpoint(toAbsolutePath(dir));
  const { family, parameters, bytes, grownFrom } = summary;
  const origin = grownFrom ? { origin: 'grown' as const } : {};
  const facts = { family, parameters, bytes, ...origin };
  await home.rememberCheckpoint(summary.dir, summary.name || basename(summary.dir), facts);
  return summary;
}
