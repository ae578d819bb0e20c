/** @file The folder of a bake-off: bakeoff.json, and the list of known bake-offs. */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { describeIssue } from '../../contract/serve.ts';
import {
  bakeoffFile,
  bakeoffVersion,
  storedBakeoff,
  type BakeoffPlan,
  type StoredBakeoff,
} from '../../bakeoff/state.ts';
import { exists, makeFolder, readJson, writeJson } from '../../store/fs/files.ts';
import type { Home } from '../../store/home/home.ts';
import { openKnownFolders, type KnownFolders } from '../../store/home/known-folders.ts';

const isPrivate = true;

export const isBakeoff = (dir: string): Promise<boolean> => exists(join(dir, bakeoffFile));

/** Reads bakeoff.json. Throws `bakeoff/not-found` and `bakeoff/damaged`. */
export async function readBakeoff(dir: string): Promise<StoredBakeoff> {
  if (!(await isBakeoff(dir))) return refuse('bakeoff/not-found', { path: dir });
  const json = await readJson(join(dir, bakeoffFile)).catch((error: unknown) =>
    refuse('bakeoff/damaged', { path: dir, why: (error as Error).message }),
  );
  const parsed = storedBakeoff.safeParse(json);
  if (parsed.success) return parsed.data;
  return refuse('bakeoff/damaged', { path: dir, why: describeIssue(parsed.error.issues[0]) });
}

/** Replaces bakeoff.json: it has the old content or the new one, also after a kill. */
export const writeBakeoff = (dir: string, bakeoff: StoredBakeoff): Promise<void> =>
  writeJson(join(dir, bakeoffFile), bakeoff, { isPrivate });

/** Creates the folder of a new bake-off. Throws `file/exists`. */
export async function createBakeoff(dir: string, plan: BakeoffPlan): Promise<void> {
  if (await exists(dir)) refuse('file/exists', { path: dir });
  await makeFolder(join(dir, 'runs'), { isPrivate });
  await writeBakeoff(dir, {
    ...plan,
    version: bakeoffVersion,
    created: new Date().toISOString(),
    measurements: [],
  });
}

/** The known bake-offs. */
export const openBakeoffFolders = (home: Home): KnownFolders => openKnownFolders(home, 'bakeoff', isBakeoff);
