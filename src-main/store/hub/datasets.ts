/** @file Datasets on the Hub: search, and the Parquet files of their configurations and splits at a commit. */
import { datasetInfo, listDatasets } from '@huggingface/hub';
import { isDatasetName, parseDatasetName, type DatasetName } from '../../base/dataset-name.ts';
import { AppError, refuse } from '../../base/errors.ts';
import type { DatasetSplit, HubDataset, HubDatasetHit } from '../../model/hub-dataset.ts';
import type { HubFile } from '../../model/hub.ts';
import { readFrontMatter } from '../checkpoint/front-matter.ts';
import { createFetch, listCommitFiles } from './commit-files.ts';
import { groupParquetFiles } from './dataset-splits.ts';
import { readFileRange } from './file-range.ts';
import type { Hub } from './requests.ts';
import { refuseUnexpectedResponse, toIsoDate } from './responses.ts';

/** Where the Hub keeps the copies in Parquet that it makes of datasets in other formats. */
const convertedRevision = 'refs/convert/parquet';
/** Datasets that a search returns, and the longest README.md that is read. */
const searchLimit = 30;
const maxReadmeBytes = 5_000_000;

/** `hub/bad-dataset` for data that is no name of a dataset. */
export const readDatasetName = (data: string): DatasetName =>
  parseDatasetName(data) ?? refuse('hub/bad-dataset', { given: data });

/** The datasets that match the words, most downloaded first. */
export async function searchDatasets(
  hub: Hub,
  query: string,
  signal?: AbortSignal,
): Promise<readonly HubDatasetHit[]> {
  const { endpoint } = hub.settings;
  const request = hub.createFetch({});
  const hits: HubDatasetHit[] = [];
  try {
    const found = listDatasets({
      search: { query },
      sort: 'downloads',
      limit: searchLimit,
      hubUrl: endpoint,
      fetch: (input, init) => request(input, { ...init, ...(signal ? { signal } : {}) }),
    });
    for await (const { name, downloads, likes, updatedAt, gated, private: isPrivate } of found) {
      hits.push({ repo: name, downloads, likes, updated: toIsoDate(updatedAt), gated, private: isPrivate });
      if (hits.length === searchLimit) break;
    }
  } catch (thrown) {
    refuseUnexpectedResponse(endpoint)(thrown);
  }
  return hits;
}

/**
 * A dataset, pinned to a commit, with its splits. Its own Parquet files are used; without any, the copies that the Hub
 * makes. Refuses `hub/no-parquet`, and what requests refuse: `hub/no-repo`, `hub/gated`, `hub/offline`, …
 */
export async function inspectDataset(
  hub: Hub,
  { repo, revision }: Pick<DatasetName, 'repo' | 'revision'>,
  signal?: AbortSignal,
): Promise<HubDataset> {
  const own = await readRevision(hub, repo, revision ?? 'main', signal);
  if (own.splits.length > 0) return own;
  if (revision !== undefined) refuse('hub/no-parquet', { repo });
  try {
    const converted = await readRevision(hub, repo, convertedRevision, signal);
    if (converted.splits.length > 0) return { ...converted, gated: own.gated, isConverted: true };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'hub/no-revision') throw error;
  }
  return refuse('hub/no-parquet', { repo });
}

async function readRevision(
  hub: Hub,
  repo: string,
  revision: string,
  signal?: AbortSignal,
): Promise<HubDataset> {
  const { endpoint } = hub.settings;
  const name = `datasets/${repo}`;
  const found = await datasetInfo({
    name: repo,
    revision,
    hubUrl: endpoint,
    additionalFields: ['sha'],
    fetch: createFetch(hub, name, revision, signal),
  }).catch(refuseUnexpectedResponse(endpoint));
  const { sha } = found as { sha?: unknown };
  const commit =
    typeof sha === 'string' && /^[0-9a-f]{40}$/.test(sha)
      ? sha
      : refuse('hub/answer', { endpoint, why: `it names no commit of ${repo}` });
  const files = await listCommitFiles(hub, name, commit, { recursive: true, signal });
  const readme = files.find(({ path }) => path === 'README.md');
  const text = readme ? await readTextFile(hub, name, commit, readme, signal) : '';
  return {
    repo,
    revision,
    commit,
    gated: found.gated,
    private: found.private,
    isConverted: false,
    splits: groupParquetFiles(files, readFrontMatter(text) ?? {}),
  };
}

async function readTextFile(
  hub: Hub,
  repo: string,
  commit: string,
  file: HubFile,
  signal = new AbortController().signal,
): Promise<string> {
  const end = Math.min(file.bytes, maxReadmeBytes);
  const bytes = await readFileRange(hub, { repo, commit, file, signal }, 0, end);
  return new TextDecoder().decode(bytes);
}

/** The name of the configuration and of the split that are meant when none is given. */
const defaultConfig = 'default';
const defaultSplit = 'train';

/** The split that a name means. Refuses `hub/several-configs`, `hub/no-config`, `hub/no-split`. */
export function selectSplit({ repo, splits }: HubDataset, { config, split }: DatasetName): DatasetSplit {
  const configs = [...new Set(splits.map((one) => one.config))];
  const chosen = config ?? (configs.length === 1 ? configs[0] : configs.find((one) => one === defaultConfig));
  if (chosen === undefined) return refuse('hub/several-configs', { repo, found: configs });
  const ofConfig = splits.filter((one) => one.config === chosen);
  if (ofConfig.length === 0) refuse('hub/no-config', { repo, config: chosen, found: configs });
  const only = ofConfig.length === 1 && split === undefined ? ofConfig[0] : undefined;
  const wanted = split ?? defaultSplit;
  const found = ofConfig.find((one) => one.split === wanted) ?? only;
  const full = config === undefined ? repo : `${repo}/${config}`;
  return (
    found ?? refuse('hub/no-split', { repo: full, split: wanted, found: ofConfig.map((one) => one.split) })
  );
}

/** `selectSplit`; undefined if it is not clear which one is meant. */
export function findDefaultSplit(dataset: HubDataset, name: DatasetName): DatasetSplit | undefined {
  try {
    return selectSplit(dataset, name);
  } catch (error) {
    const isOpen = error instanceof AppError && /^hub\/(several-configs|no-split)$/.test(error.code);
    if (!isOpen) throw error;
    return undefined;
  }
}

/** Data of a run that are datasets of the Hub, by their position. Refuses `hub/bad-dataset`. */
export const datasetsIn = (data: readonly string[]): ReadonlyMap<number, DatasetName> =>
  new Map(data.flatMap((one, i) => (isDatasetName(one) ? [[i, readDatasetName(one)] as const] : [])));
