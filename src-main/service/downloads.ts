/** @file Downloads from the Hub as jobs, which continue when the window closes and can be paused. */
import { AppError, createError, refuse } from '../base/errors.ts';
import type { DownloadEvent, DownloadRequest, HubDownload } from '../contract/hub.ts';
import type { JobSummary } from '../contract/schema.ts';
import type { HubModelInfo, HubSnapshot } from '../model/hub.ts';
import {
  findStartedSnapshot,
  discardDownload,
  listPartialDownloads,
  checkFreeSpace,
} from '../store/hub/download.ts';
import { inspectModel } from '../store/hub/model.ts';
import type { Hub } from '../store/hub/requests.ts';
import { readHubSettings, parseRepo } from '../store/hub/settings.ts';
import { downloadInWorker } from '../store/hub/workers.ts';
import type { Home } from '../store/home/home.ts';
import type { Jobs } from './jobs.ts';
import { rememberMade } from './library.ts';

export interface Downloads {
  /** Reads a model from the Hub. A later download of its commit uses the result. */
  inspect(hub: Hub, repo: string, revision?: string, signal?: AbortSignal): Promise<HubModelInfo>;
  /** Incomplete downloads of every process. */
  list(): Promise<readonly HubDownload[]>;
  /** Starts a download, or returns the job that already downloads this commit. */
  start(hub: Hub, request: DownloadRequest): Promise<JobSummary>;
  /** Stops a download and keeps its files; starting it again continues. */
  pause(jobId: string): Promise<void>;
  pauseAll(): Promise<void>;
  /** Cancels a download and removes its files. */
  discard(repo: string, commit: string): Promise<void>;
}

interface ActiveDownload {
  readonly repo: string;
  readonly commit: string;
  readonly pause: () => void;
  readonly ended: Promise<unknown>;
}

/** Inspected models that are kept, so that the download is of the commit that was shown. */
const keptModels = 50;

export function createDownloads(home: Home, jobs: Jobs): Downloads {
  const active = new Map<string, ActiveDownload>();
  const inspected = new Map<string, HubModelInfo>();

  const inspect: Downloads['inspect'] = async (hub, repo, revision, signal) => {
    const model = await inspectModel(hub, repo, revision, signal);
    inspected.set(`${repo}@${model.commit}`, model);
    if (inspected.size > keptModels) inspected.delete(inspected.keys().next().value!);
    return model;
  };

  /** The files to download: those of a started download, of an inspected model, or of a new inspection. */
  const findSnapshot = async (
    hub: Hub,
    { repo: name, revision: requested, anyway = false }: DownloadRequest,
  ): Promise<HubSnapshot> => {
    const { repo, revision = requested ?? 'main' } = parseRepo(name);
    const started = await findStartedSnapshot(hub.settings.cache, repo, revision);
    if (started) return started;
    const model = inspected.get(`${repo}@${revision}`) ?? (await inspect(hub, repo, revision));
    if (model.why && !anyway) throw new AppError(model.why.code, model.why.detail);
    return model;
  };

  const findActive = (repo: string, commit: string): string | undefined =>
    [...active].find(([, download]) => download.repo === repo && download.commit === commit)?.[0];

  /** The job that downloads this commit. Throws if another commit of the repository is being downloaded. */
  const findJob = (repo: string, commit: string): JobSummary | undefined => {
    const [id, download] = [...active].find(([, entry]) => entry.repo === repo) ?? [];
    if (download && download.commit !== commit) refuse('hub/already', { repo });
    return jobs.list().find((job) => job.id === id);
  };

  const startJob = (hub: Hub, snapshot: HubSnapshot): JobSummary => {
    const { repo, commit, files } = snapshot;
    const controller = new AbortController();
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const startTime = Date.now();
    let isPaused = false;
    const job = jobs.start<DownloadEvent>('download', `Downloading ${repo}`, async (push, signal) => {
      signal.addEventListener(
        'abort',
        () => {
          controller.abort();
        },
        { once: true },
      );
      let progress = { done: 0, of: 0 };
      try {
        const onEvent = (event: DownloadEvent): void => {
          if (event.type === 'bytes') progress = { done: event.done, of: event.of };
          push(event, 'bytes');
        };
        const dir = await downloadInWorker(hub, snapshot, onEvent, controller.signal);
        await rememberMade({ home }, dir, 'downloaded', repo);
        const bytes = files.reduce((n, file) => n + file.bytes, 0);
        push({ type: 'done', repo, commit, dir, bytes, seconds: (Date.now() - startTime) / 1000 });
      } catch (error) {
        if (isPaused) {
          push({ type: 'paused', ...progress });
          throw createError('cancelled', { what: `Downloading ${repo}` });
        }
        if (signal.aborted) await discardDownload(hub.settings.cache, repo, commit);
        throw error;
      } finally {
        active.delete(job.id);
        end();
      }
    });
    const pause = (): void => {
      isPaused = true;
      controller.abort();
    };
    active.set(job.id, { repo, commit, ended, pause });
    return job;
  };

  const pause = async (jobId: string): Promise<void> => {
    const download = active.get(jobId) ?? refuse('job/not-found', { job: jobId });
    download.pause();
    await download.ended;
  };

  return {
    inspect,
    async list() {
      const partial = await listPartialDownloads(readHubSettings().cache);
      return partial.map((download) => {
        const job = findActive(download.repo, download.commit) ?? null;
        return { ...download, job, state: job === null ? download.state : 'running' };
      });
    },
    async start(hub, request) {
      const snapshot = await findSnapshot(hub, request);
      const { repo, commit } = snapshot;
      if (!findJob(repo, commit)) await checkFreeSpace(hub.settings.cache, snapshot);
      // A second request may have started it in the meantime.
      return findJob(repo, commit) ?? startJob(hub, snapshot);
    },
    pause,
    async pauseAll() {
      await Promise.all([...active.keys()].map(pause));
    },
    async discard(name, commit) {
      const { repo } = parseRepo(name);
      const id = findActive(repo, commit);
      if (id !== undefined) await jobs.cancel(id);
      else await discardDownload(readHubSettings().cache, repo, commit);
    },
  };
}
