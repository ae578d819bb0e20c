/** @file Writes a work folder on this computer. Large files are hard links where the file system allows. */
import { constants, copyFile, link, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeOrRefuse, writeText } from '../../store/fs/files.ts';
import {
  decayFile,
  eventsFile,
  failureFile,
  stopFile,
  trainerFolder,
  type Work,
  type WorkFile,
} from './work-folder.ts';

/** What an earlier job left and the next one must not read. Sharded checkpoints stay: it continues from them. */
const leftovers = [trainerFolder, 'model', 'teacher', 'tokens', eventsFile, failureFile, stopFile, decayFile];

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
  try {
    await link(file.from, target);
  } catch {
    // Another file system, or one without hard links.
    await copyFile(file.from, target, constants.COPYFILE_FICLONE);
  }
}
