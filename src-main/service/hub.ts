/** @file The Hugging Face Hub in the service: search, models, downloads, uploads, and the access token. */
import { totalmem } from 'node:os';
import { basename } from 'node:path';
import { refuse, toErrorData } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { StoredHubToken } from '../contract/engine.ts';
import type {
  DownloadRequest,
  HubAccount,
  HubDownload,
  HubModel,
  HubSearch,
  PushEvent,
  PushPlan,
} from '../contract/hub.ts';
import type { JobSummary } from '../contract/schema.ts';
import type { HubDatasetHit, HubDatasetView } from '../model/hub-dataset.ts';
import type { HubCached, HubPage } from '../model/hub.ts';
import { getFreeBytes, findExistingAncestor } from '../store/fs/folder.ts';
import { listCachedModels } from '../store/hub/cache.ts';
import { countMissingBytes, findCompleteSnapshot } from '../store/hub/download.ts';
import { fetchAccount, planPush, planReadyPush } from '../store/hub/push.ts';
import { createHub, type Hub, type RetryOptions } from '../store/hub/requests.ts';
import {
  findDefaultSplit,
  inspectDataset,
  readDatasetName,
  searchDatasets,
  selectSplit,
} from '../store/hub/datasets.ts';
import { previewSplit } from '../store/hub/remote-parquet.ts';
import { searchHub } from '../store/hub/search.ts';
import { findToken, readHubSettings, parseRepo } from '../store/hub/settings.ts';
import { pushInWorker } from '../store/hub/workers.ts';
import { createLinkedController } from '../store/fs/signals.ts';
import { createDownloads } from './downloads.ts';
import { estimateDoubled } from './hub-model.ts';
import type { Jobs } from './jobs.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { createMemorySecrets } from './secrets.ts';

export interface HubService {
  search(search: HubSearch, signal?: AbortSignalLike): Promise<HubPage>;
  model(repo: string, revision?: string, signal?: AbortSignalLike): Promise<HubModel>;
  searchDatasets(query: string, signal?: AbortSignalLike): Promise<readonly HubDatasetHit[]>;
  /** A dataset, with the columns and the first rows of the split that a name means. */
  dataset(name: string, rows: number, signal?: AbortSignalLike): Promise<HubDatasetView>;
  /** Refuses a dataset that cannot be read, a name that means several splits, and a missing column. */
  checkDataset(name: string, column: string): Promise<void>;
  /** The token that is kept for the Hub, for an engine. */
  storedToken(): Promise<StoredHubToken | null>;
  cached(): Promise<readonly HubCached[]>;
  downloads(): Promise<readonly HubDownload[]>;
  download(request: DownloadRequest): Promise<JobSummary>;
  /** Stops a download and keeps its files; starting it again continues. */
  pause(jobId: string): Promise<void>;
  /** Pauses every download of this process. */
  pauseAll(): Promise<void>;
  /** Cancels an incomplete download and removes its files. */
  discard(repo: string, commit: string): Promise<void>;
  account(): Promise<HubAccount>;
  /** Stores a token that the Hub accepts, or removes the stored one. */
  setToken(token: string | null): Promise<HubAccount>;
  planPush(dir: string, repo: string): Promise<PushPlan>;
  push(dir: string, repo: string, isPrivate: boolean): Promise<JobSummary>;
}

/** Somebody waits: without a network, the error comes within a second, and can be followed by another try. */
const interactiveRetries: Partial<RetryOptions> = { attempts: 2, baseDelay: 300, timeout: 10_000 };

const tokenName = 'hugging-face-token';

export function createHubService(
  { home, secrets = createMemorySecrets() }: Dependencies,
  jobs: Jobs,
  retries: Partial<RetryOptions> = {},
): HubService {
  const downloads = createDownloads(home, jobs);
  const toToken = (text: string): StoredHubToken => ({
    text,
    from: secrets.storage === 'memory' ? 'memory' : 'the key store',
  });
  const storedToken = async (): Promise<StoredHubToken | null> => {
    const text = await secrets.get(tokenName);
    return text === null ? null : toToken(text);
  };
  /** The Hub with the current settings and token. */
  const openHub = async (options: Partial<RetryOptions> = retries): Promise<Hub> => {
    const settings = readHubSettings();
    return createHub(settings, await findToken(settings, await storedToken()), options);
  };
  /** The Hub for requests that somebody waits for. */
  const openInteractiveHub = (): Promise<Hub> => openHub({ ...interactiveRetries, ...retries });

  const account = async (): Promise<HubAccount> => {
    const hub = await openInteractiveHub();
    const { endpoint, cache, offline } = hub.settings;
    const base = { endpoint, cache, offline, from: hub.token?.from ?? null, keeps: secrets.storage };
    if (!hub.token || offline) return { ...base, name: null, write: null, error: null };
    return fetchAccount(hub).then(
      (owner) => ({ ...base, ...owner, error: null }),
      (error: unknown) => ({ ...base, name: null, write: null, error: toErrorData(error) }),
    );
  };

  return {
    search: async (search, signal) =>
      searchHub(await openInteractiveHub(), search, createLinkedController(signal).signal),
    searchDatasets: async (query, signal) =>
      searchDatasets(await openInteractiveHub(), query, createLinkedController(signal).signal),
    async dataset(given, rows, signal) {
      const hub = await openInteractiveHub();
      const name = readDatasetName(given);
      const controller = createLinkedController(signal);
      const dataset = await inspectDataset(hub, name, controller.signal);
      // Which one is meant may be unknown as long as none is named.
      const isChosen = name.config !== undefined || name.split !== undefined;
      const split = isChosen ? selectSplit(dataset, name) : findDefaultSplit(dataset, name);
      const preview = split && (await previewSplit(hub, dataset, split, rows, controller.signal));
      return {
        dataset,
        chosen: split ? { config: split.config, split: split.split } : null,
        preview: preview ?? null,
      };
    },
    async checkDataset(given, column) {
      const hub = await openInteractiveHub();
      const name = readDatasetName(given);
      const { signal } = new AbortController();
      const dataset = await inspectDataset(hub, name, signal);
      const { columns } = await previewSplit(hub, dataset, selectSplit(dataset, name), 0, signal);
      const found = columns.map((one) => one.name);
      if (!found.includes(column)) refuse('data/no-column', { path: given, column, found });
    },
    storedToken,
    async model(name, requested, signal) {
      const hub = await openInteractiveHub();
      const { repo, revision = requested } = parseRepo(name);
      const model = await downloads.inspect(hub, repo, revision, createLinkedController(signal).signal);
      const { cache } = hub.settings;
      const [needed, free, dir] = await Promise.all([
        countMissingBytes(cache, repo, model.files),
        getFreeBytes(await findExistingAncestor(cache)),
        findCompleteSnapshot(cache, repo, model.commit),
      ]);
      return {
        ...model,
        needed,
        free,
        memory: totalmem(),
        doubled: model.card && estimateDoubled(model.card),
        dir: dir ?? null,
      };
    },
    cached: () => listCachedModels(readHubSettings().cache),
    downloads: downloads.list,
    download: async (request) => downloads.start(await openHub(), request),
    pause: downloads.pause,
    pauseAll: downloads.pauseAll,
    discard: downloads.discard,
    account,
    async setToken(token) {
      const text = token?.trim() ?? null;
      // Throws if the Hub does not accept the token, which is then not stored.
      if (text !== null) await fetchAccount(createHub(readHubSettings(), toToken(text), retries));
      await secrets.set(tokenName, text);
      return account();
    },
    planPush: async (dir, repo) => planPush(await openInteractiveHub(), toAbsolutePath(dir), repo),
    async push(dir, repo, isPrivate) {
      const hub = await openHub();
      const plan = await planReadyPush(hub, toAbsolutePath(dir), repo);
      const title = `Pushing ${basename(plan.dir)} to ${plan.repo}`;
      return jobs.start<PushEvent>('push', title, async (push, signal) => {
        const done = await pushInWorker(
          hub,
          { dir: plan.dir, repo: plan.repo, private: isPrivate },
          (event) => {
            push(event, 'bytes');
          },
          createLinkedController(signal).signal,
        );
        push(done);
      });
    },
  };
}
