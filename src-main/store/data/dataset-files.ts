/** @file Finds the data files that a path means: a file, a glob pattern, or a folder such as a Hub dataset. */
// As a namespace: a Node without `glob`, such as that of an older Electron, fails only for a pattern.
import * as fs from 'node:fs/promises';
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { isDatasetName } from '../../base/dataset-name.ts';
import { refuse } from '../../base/errors.ts';
import { readOrRefuse } from '../fs/files.ts';
import { packedExtensions } from './decompress.ts';

/**
 * The formats that are picked from a folder, in this order: those of the first row that has files. The first
 * two rows have many documents per file; any other file is one document of plain text.
 */
const formatRows: readonly (readonly string[])[] = [
  ['.parquet', '.jsonl', '.ndjson'],
  ['.json', '.csv', '.tsv'],
  ['.txt', '.text', '.md'],
];
/** Files beside a dataset or of a checkpoint that are no data. */
const ignoredNames = [
  'added_tokens.json',
  'config.json',
  'dataset_dict.json',
  'dataset_info.json',
  'dataset_infos.json',
  'generation_config.json',
  'model.safetensors.index.json',
  'special_tokens_map.json',
  'state.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
];

/** The lower-case extension of a file's content, without the extension of its compression. */
export function getDataFormat(path: string): string {
  const extension = extname(path).toLowerCase();
  if (!packedExtensions.includes(extension)) return extension;
  return extname(path.slice(0, -extension.length)).toLowerCase();
}

/** True for the names of token files of other programs (token-import.ts). */
export const isTokenFile = (path: string): boolean => path.toLowerCase().endsWith('.bin');

const isGlobPattern = (path: string): boolean => /[*?[{]/.test(path);

/**
 * The dataset split that a path names: `train`, `data/train-00000-of-00002.parquet`, `web/train/0.jsonl`.
 */
export const findSplit = (path: string): string | undefined =>
  /(?:^|[/._-])(train|validation|valid|val|dev|test|eval)(?=$|[/._-])/i.exec(path)?.[1]?.toLowerCase();

/** The files that a path means, and those of its folder that it does not mean. */
export interface DataFiles {
  /** Sorted by name. */
  readonly files: readonly string[];
  readonly leftOut: readonly { readonly why: string; readonly names: readonly string[] }[];
}

/**
 * The data files that `path` means, sorted by name. Refuses `file/not-found`, `data/no-files`, `data/arrow`,
 * `data/several-configs`.
 */
export const findDataFiles = async (path: string): Promise<readonly string[]> =>
  (await listDataFiles(path)).files;

/** As `findDataFiles`, with the files of a folder that are left out. */
export async function listDataFiles(path: string): Promise<DataFiles> {
  if (isDatasetName(path)) refuse('data/only-streamed', { name: path });
  const full = resolve(path);
  const found = await stat(full).catch(() => undefined);
  if (found?.isFile()) return { files: [full], leftOut: [] };
  if (found?.isDirectory()) return listFolder(full);
  if (!isGlobPattern(path)) refuse('file/not-found', { path: full });
  const files: string[] = [];
  for await (const name of fs.glob(full)) if ((await stat(name)).isFile()) files.push(resolve(name));
  return { files: files.length > 0 ? files.sort() : refuse('data/no-files', { path: full }), leftOut: [] };
}

/**
 * The training data of a folder: files with many documents if there are any, else plain text. Of a dataset
 * with splits, only the training split.
 */
async function listFolder(dir: string): Promise<DataFiles> {
  const entries = await readOrRefuse(dir, () => readdir(dir, { recursive: true, withFileTypes: true }));
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(sep).some((part) => part.startsWith('.')))
    .sort();
  if (names.some((name) => name.endsWith('.arrow'))) refuse('data/arrow', { path: dir });
  const rows = formatRows.map((formats) =>
    names.filter((name) => formats.includes(getDataFormat(name)) && !ignoredNames.includes(basename(name))),
  );
  const files = rows.find((row) => row.length > 0) ?? refuse('data/no-files', { path: dir });
  const train = files.filter((name) => findSplit(name.split(sep).join('/')) === 'train');
  const configs = listConfigs(train);
  if (configs.length > 1) refuse('data/several-configs', { path: dir, names: configs });
  const chosen = train.length > 0 ? train : files;
  const leftOut = [
    { why: 'not the training split', names: files.filter((name) => !chosen.includes(name)) },
    { why: 'another format', names: names.filter((name) => !files.includes(name)) },
  ];
  return {
    files: chosen.map((name) => join(dir, name)),
    leftOut: leftOut.filter((group) => group.names.length > 0),
  };
}

/** The configurations of a Hub dataset: each has its own folder, which is not named after a split. */
function listConfigs(files: readonly string[]): readonly string[] {
  const topFolders = files.filter((name) => name.includes(sep)).map((name) => name.split(sep)[0]!);
  const configs = topFolders.filter((folder) => folder !== 'data' && findSplit(folder) === undefined);
  return [...new Set(configs)];
}

/** Bytes of the files that `path` means, packed as they are. Throws what `findDataFiles` throws. */
export async function getDataBytes(path: string): Promise<number> {
  const files = await findDataFiles(path);
  const sizes = await Promise.all(
    files.map((file) => readOrRefuse(file, async () => (await stat(file)).size)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
