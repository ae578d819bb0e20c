/**
 * @file Writes a work folder on this computer. Large files are hard links where the file system allows; small ones are
 * copies, so that a new version of Cambium does not change what a job has begun with.
 */
import { constants, copyFile, link, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeOrRefuse, writeText } from '../../store/fs/files.ts';
import {
  decayFile,
  eventsFile,
  failureFile,
  preemptFile,
  stopFile,
  trainerFolder,
  type Work,
  type WorkFile,
} from './work-folder.ts';

/** What an earlier job left and the next one must not read. Sharded checkpoints stay: it continues from them. */
const leftovers = [
  trainerFolder,
  'model',
  'teacher',
  'tokens',
  eventsFile,
  failureFile,
  stopFile,
  decayFile,
  preemptFile,
];

/** Bytes. */
const smallestLinked = 1 << 20;
const toTrue = (): boolean => true;
const toFalse = (): boolean => false;

export async function writeWork(folder: string, { files }: Work): Promise<void> {
  await writeOrRefuse(folder, async () => {
    for (const name of leftovers) await rm(join(folder, name), { recursive: true, force: true });
    for (const file of files) await writeFileOf(folder, file);
  });
}

async function writeFileOf(folder: string, file: WorkFile): Promise<void> {
  const target = join(folder, file.path);
  await mkdir(dirname(target), { recursive: true });
  if ('text' in file) return writeText(target, file.text, { isDurable: false });
  // Another file system, or one without hard links, needs a copy too.
  const isLinked = file.bytes >= smallestLinked && (await link(file.from, target).then(toTrue, toFalse));
  if (!isLinked) await copyFile(file.from, target, constants.COPYFILE_FICLONE);
}
