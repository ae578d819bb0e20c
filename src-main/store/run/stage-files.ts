/**
 * @file The files of a run that grows while it trains: the checkpoints that were grown, the folder in which a growth
 * works, and the request of a person to grow now.
 */
import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../base/json.ts';
import { readRegularFileSync, writeJson } from '../fs/files.ts';
import { writeFolder } from '../fs/folder.ts';
import { growFile, type SavedStep } from './folder.ts';

/** The folder of the checkpoints that were grown. */
const stagesFolder = (dir: string): string => join(dir, 'stages');

/** The folder into which a growth of the run writes. What it holds is not needed after the growth. */
export const growingFolder = (dir: string): string => resolve(stagesFolder(dir), 'growing');

/** Keeps a checkpoint of the run that is about to be grown, and returns its folder. */
export async function keepStageSource(dir: string, { dir: step }: SavedStep): Promise<string> {
  const target = resolve(stagesFolder(dir), basename(step));
  await writeFolder(target, (temporary) => linkFiles(step, temporary), { replace: true });
  return target;
}

/** Links every file of a folder into another; copies them where the disk has no links. */
async function linkFiles(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) {
      await mkdir(target);
      await linkFiles(source, target);
    } else await link(source, target).catch(() => copyFile(source, target));
  }
}

/** Asks a run to end stage `stage` (from 1) after its current step, and to grow. */
export const requestGrowth = (dir: string, stage: number): Promise<void> =>
  writeJson(growFile(dir), { stage });

const storedRequest = z.object({ stage: z.number() });

/** True if a person asked to end stage `stage`. A request for an earlier stage was answered. */
export function isGrowthRequested(dir: string, stage: number): boolean {
  try {
    const request = parseJson(readRegularFileSync(growFile(dir)).toString('utf8'), storedRequest);
    return request.stage === stage;
  } catch {
    return false;
  }
}

/** Removes a request that was answered. */
export const removeGrowthRequest = (dir: string): Promise<void> => rm(growFile(dir), { force: true });
