/**
 * @file Which Parquet files belong to which configuration and split of a dataset: by `configs` of its README.md, else
 * by the names of folders and files, as the library `datasets` does
 * (https://huggingface.co/docs/hub/datasets-data-files-configuration).
 */
import { matchesGlob } from 'node:path/posix';
import type { DatasetSplit } from '../../model/hub-dataset.ts';
import type { HubFile } from '../../model/hub.ts';
import type { FrontMatter, FrontMatterValue } from '../checkpoint/front-matter.ts';
import { findSplit } from '../data/dataset-files.ts';

/** Other words for a split. */
const splitNames: Readonly<Record<string, string>> = {
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  eval: 'test',
};

interface Pattern {
  readonly config: string;
  readonly split: string;
  readonly globs: readonly string[];
}

/** The splits with at least one Parquet file, in the order of their configurations. */
export function groupParquetFiles(
  files: readonly HubFile[],
  frontMatter: FrontMatter,
): readonly DatasetSplit[] {
  const parquet = files
    .filter(({ path }) => path.endsWith('.parquet') && !path.split('/').some((part) => part.startsWith('.')))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const declared = readPatterns(frontMatter);
  const groups = new Map<string, { config: string; split: string; files: HubFile[] }>();
  const add = (config: string, split: string, file: HubFile): void => {
    const key = `${config}\n${split}`;
    const group = groups.get(key) ?? { config, split, files: [] };
    groups.set(key, group);
    group.files.push(file);
  };
  for (const { config, split, globs } of declared) {
    const isOfSplit = ({ path }: HubFile): boolean => globs.some((glob) => matchesGlob(path, glob));
    for (const file of parquet.filter(isOfSplit)) add(config, split, file);
  }
  // Declared patterns may be of files in another format, of which the Hub has made these.
  if (groups.size === 0) for (const file of parquet) add(findConfig(file.path), splitOf(file.path), file);
  return [...groups.values()].map((group) => ({
    ...group,
    bytes: group.files.reduce((sum, { bytes }) => sum + bytes, 0),
  }));
}

const splitOf = (path: string): string => {
  const found = findSplit(path) ?? 'train';
  return splitNames[found] ?? found;
};

/** The first folder, unless it is `data` or named after a split. */
function findConfig(path: string): string {
  const [folder = '', ...rest] = path.split('/');
  return rest.length === 0 || folder === 'data' || findSplit(folder) !== undefined ? 'default' : folder;
}

const isRecord = (value: FrontMatterValue | undefined): value is FrontMatter =>
  typeof value === 'object' && !Array.isArray(value);
const asText = (value: FrontMatterValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;
const asTexts = (value: FrontMatterValue | undefined): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : Array.isArray(value)
      ? value.filter((one): one is string => typeof one === 'string')
      : [];

/** The patterns of `configs`: `data_files` is a pattern, several, or a list of splits with theirs. */
function readPatterns({ configs }: FrontMatter): readonly Pattern[] {
  if (!Array.isArray(configs)) return [];
  return (configs as readonly FrontMatterValue[]).filter(isRecord).flatMap((entry): readonly Pattern[] => {
    const config = asText(entry['config_name']) ?? 'default';
    const given = entry['data_files'];
    const dir = asText(entry['data_dir'])
      ?.replace(/^\.\//, '')
      .replace(/(?<!\/)\/+$/, '');
    if (given === undefined)
      return dir === undefined ? [] : [{ config, split: 'train', globs: [`${dir}/**`] }];
    const bySplit = Array.isArray(given) ? (given as readonly FrontMatterValue[]).filter(isRecord) : [];
    const place = (glob: string): string => (dir === undefined ? glob : `${dir}/${glob}`);
    if (bySplit.length === 0) return [{ config, split: 'train', globs: asTexts(given).map(place) }];
    return bySplit.map((one) => ({
      config,
      split: asText(one['split']) ?? 'train',
      globs: asTexts(one['path']).map(place),
    }));
  });
}
