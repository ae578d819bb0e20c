/**
 * @file What a person names as data, as files: a file, a pattern, or a folder, which may be a dataset of the
 * Hub.
 */
import { glob, readdir, stat } from 'node:fs/promises';
import { extname, join, relative, resolve, sep } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { reading } from '../fs/files.ts';

/**
 * Tables and lines hold documents; any other file that is named is one document of text. Each may be
 * compressed.
 */
const tables = ['.parquet', '.jsonl', '.ndjson'];
const texts = ['.txt', '.text', '.md'];
export const compressed = ['.gz', '.zst'];

/** The extension that says what a file holds, without that of its compression. */
export function formatOf(path: string): string {
  const last = extname(path).toLowerCase();
  return compressed.includes(last) ? extname(path.slice(0, -last.length)).toLowerCase() : last;
}

const isPattern = (path: string): boolean => /[*?[{]/.test(path);
/**
 * A part of a path or name that says which split it is: `train`, `data/train-00000-of-00002.parquet`,
 * `web/train/0.jsonl`.
 */
const splitIn = (name: string): string | undefined =>
  /(?:^|[/._-])(train|validation|valid|val|dev|test|eval)(?=$|[/._-])/i.exec(name)?.[1]?.toLowerCase();

/**
 * The files that `path` means, in the order of their names. Refuses `file/not-found`, `data/no-files`,
 * `data/arrow`, `data/several-configs`.
 */
export async function filesOf(path: string): Promise<readonly string[]> {
  const whole = resolve(path);
  const found = await stat(whole).catch(() => undefined);
  if (found?.isFile()) return [whole];
  if (found?.isDirectory()) return filesIn(whole);
  if (!isPattern(path)) refuse('file/not-found', { path: whole });
  const names: string[] = [];
  for await (const name of glob(whole)) if ((await stat(name)).isFile()) names.push(resolve(name));
  return names.length > 0 ? names.sort() : refuse('data/no-files', { path: whole });
}

/**
 * A folder's training text: its tables and lines where it has any, else its texts; of a dataset with splits,
 * the one to train on.
 */
async function filesIn(dir: string): Promise<readonly string[]> {
  const all = (await reading(dir, () => readdir(dir, { recursive: true, withFileTypes: true })))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(sep).some((part) => part.startsWith('.')))
    .sort();
  if (all.some((name) => name.endsWith('.arrow'))) refuse('data/arrow', { path: dir });
  const having = (formats: readonly string[]): readonly string[] =>
    all.filter((name) => formats.includes(formatOf(name)));
  const found = having(tables).length > 0 ? having(tables) : having(texts);
  if (found.length === 0) refuse('data/no-files', { path: dir });
  const train = found.filter((name) => splitIn(name.split(sep).join('/')) === 'train');
  const chosen = train.length > 0 ? train : found;
  // Hub datasets keep each of their configurations in a folder of its own.
  const configs = new Set(
    train
      .map((name) => name.split(sep)[0]!)
      .filter(
        (part) =>
          part !== 'data' && splitIn(part) === undefined && train.some((name) => name.startsWith(part + sep)),
      ),
  );
  if (configs.size > 1) refuse('data/several-configs', { path: dir, names: [...configs] });
  return chosen.map((name) => join(dir, name));
}
