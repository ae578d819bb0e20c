/**
 * @file Inspects a model on the Hub before its weights are downloaded: its commit, its files, config.json, and
 * the headers of its safetensors files, read with range requests.
 */
import { modelInfo } from '@huggingface/hub';
import { AppError, refuse, type ErrorData } from '../../base/errors.ts';
import type { HubFile, HubModelInfo } from '../../model/hub.ts';
import type { CheckpointSummary } from '../../model/summary.ts';
import { summarizeCheckpoint } from '../checkpoint/checkpoint.ts';
import { parseConfig, resolveCheckpoint } from '../checkpoint/resolve.ts';
import { addTensor, safetensorsIndexFile, selectShards, type StoredTensor } from '../checkpoint/shards.ts';
import { createFetch, listCommitFiles } from './commit-files.ts';
import { selectModelFiles } from './model-files.ts';
import { mapConcurrently } from './parallel.ts';
import { fetchHeader, fetchJsonObject, fetchRange, type CommitContext } from './ranges.ts';
import type { Hub } from './requests.ts';
import { findLicense, refuseUnexpectedResponse, toIsoDate } from './responses.ts';
import { isValidRevision } from './settings.ts';

/** Headers that are fetched at the same time. */
const maxConnections = 4;
/** Elements that are compared to tell whether a tied head is a copy of the embedding. */
const comparedElements = 1 << 14;

/**
 * Inspects a model at a revision, pinned to its commit. `why` of the result says why a model cannot be grown.
 * Refuses a model that cannot be read at all, such as a gated or a missing one.
 */
export async function inspectModel(
  hub: Hub,
  repo: string,
  revision = 'main',
  signal?: AbortSignal,
): Promise<HubModelInfo> {
  const { endpoint } = hub.settings;
  if (!isValidRevision(revision)) refuse('hub/bad-name', { given: `${repo}@${revision}` });
  const found = await modelInfo({
    name: repo,
    revision,
    hubUrl: endpoint,
    additionalFields: ['sha', 'cardData', 'tags'],
    fetch: createFetch(hub, repo, revision, signal),
  }).catch(refuseUnexpectedResponse(endpoint));
  const commit =
    typeof found.sha === 'string' && /^[0-9a-f]{40}$/.test(found.sha)
      ? found.sha
      : refuse('hub/answer', { endpoint, why: `it names no commit of ${repo}` });
  const all = await listCommitFiles(hub, found.name || repo, commit, { recursive: false, signal });
  const { shards, why, card } = await inspectCommit({ hub, repo, commit, signal }, all);
  const files = selectModelFiles(all, shards);
  const bytes = sumBytes(files);
  return {
    repo,
    revision,
    commit,
    url: `${endpoint}/${repo}`,
    gated: found.gated,
    private: found.private,
    licence: findLicense(found.tags),
    downloads: found.downloads,
    likes: found.likes,
    updated: toIsoDate(found.updatedAt),
    files,
    bytes,
    skipped: { files: all.length - files.length, bytes: sumBytes(all) - bytes },
    why,
    card,
  };
}

const sumBytes = (files: readonly HubFile[]): number => files.reduce((n, file) => n + file.bytes, 0);

interface Inspection {
  /** Null when the model cannot be grown. */
  readonly card: CheckpointSummary | null;
  readonly why: ErrorData | null;
  readonly shards: readonly string[];
}

/**
 * Decides whether a model can be grown, from config.json and then from the headers. Errors of the Hub, such as
 * a gated model, are thrown.
 */
async function inspectCommit(context: CommitContext, files: readonly HubFile[]): Promise<Inspection> {
  const { repo, commit } = context;
  const names = files.map((file) => file.path);
  let shards: readonly string[] = names.filter((name) => name.endsWith('.safetensors'));
  try {
    if (!names.includes('config.json')) {
      const isAdapter = names.includes('adapter_config.json');
      refuse(isAdapter ? 'checkpoint/adapter' : 'checkpoint/no-config', { path: repo });
    }
    const config = await fetchJsonObject(context, 'config.json');
    const parsed = parseConfig(repo, config);
    shards = await selectShards(repo, names, () => fetchJsonObject(context, safetensorsIndexFile));
    const stored = await fetchHeaders(context, files, shards);
    const resolved = await resolveCheckpoint(repo, parsed, stored, {
      read: ({ file, offset }, start, length) =>
        fetchRange(context, file, offset + start, offset + start + length),
      maxElements: comparedElements,
    });
    const known = { name: repo, tokenizer: null };
    const card = summarizeCheckpoint(`${repo}@${commit}`, resolved, known);
    return { card, why: null, shards };
  } catch (error) {
    const isModelError = error instanceof AppError && /^(checkpoint|safetensors|file)\//.test(error.code);
    if (!isModelError) throw error;
    return { card: null, why: error.toData(), shards };
  }
}

/** Fetches the headers of all shards. Returns their tensors by stored name. */
async function fetchHeaders(
  context: CommitContext,
  files: readonly HubFile[],
  shards: readonly string[],
): Promise<ReadonlyMap<string, StoredTensor>> {
  const shardFiles = shards.map(
    (name) =>
      files.find((file) => file.path === name) ??
      refuse('checkpoint/missing-shard', { path: context.repo, file: name }),
  );
  const headers = await mapConcurrently(shardFiles, maxConnections, (file) => fetchHeader(context, file));
  const stored = new Map<string, StoredTensor>();
  for (const tensor of headers.flat()) addTensor(stored, tensor);
  return stored;
}
