/** @file The checkpoints of this computer: those opened or made before, and the built-in one. */
import { basename, join } from 'node:path';
import type { Known } from '../contract/activity.ts';
import type { CheckpointCard } from '../contract/schema.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { absolute, builtIn, type Place } from './dependencies.ts';

/** Newest first; folders that are gone are left out, the built-in one is last unless it was opened. */
export async function knownCheckpoints(place: Place): Promise<readonly Known[]> {
  const own = builtIn(place);
  const known: Known[] = (await place.home.checkpoints()).map((c) => ({ ...c, builtIn: c.dir === own }));
  if (!known.some((c) => c.builtIn) && (await exists(join(own, 'config.json'))))
    known.push({ dir: own, name: 'Built-in example', opened: '', builtIn: true });
  return known;
}

/** Opens a folder, headers only, and remembers it. */
export async function openAndRemember(place: Place, dir: string): Promise<CheckpointCard> {
  const { card } = await openCheckpoint(absolute(dir));
  await place.home.rememberCheckpoint(card.dir, card.name || basename(card.dir));
  return card;
}
