/** @file The example text in the home folder: short stories, the same on every computer. */
import { dirname, join } from 'node:path';
import { exists, makeFolder, writeText } from '../store/fs/files.ts';
import type { Home } from '../store/home/home.ts';
import { toyCorpus } from '../train/toy-corpus.ts';

/** Enough for the default length of a run. */
const bytes = 4_000_000;
/** The built-in checkpoint was not trained on the stories of this seed. */
const seed = 1;

/** Writes the text, unless it is there, and returns its path. */
export async function writeExampleText(home: Pick<Home, 'dir'>): Promise<string> {
  const path = join(home.dir, 'examples', 'stories.txt');
  if (await exists(path)) return path;
  await makeFolder(dirname(path));
  await writeText(path, toyCorpus(bytes, { seed }));
  return path;
}
