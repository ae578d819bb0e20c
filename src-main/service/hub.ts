/**
 * @file The Hub inside the service: searching, judging against this computer, downloads and pushes as jobs
 * that outlive a window, and the token's place.
 */
import { totalmem } from 'node:os';
import { basename } from 'node:path';
import { AppError, appError, refuse, type ErrorData } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type {
  Doubled,
  DownloadEvent,
  DownloadRequest,
  HubAccount,
  HubDownload,
  HubModel,
  HubSearch,
  PushEvent,
  PushPlan,
} from '../contract/hub.ts';
import type { JobCard } from '../contract/schema.ts';
import { planGrowth } from '../growth/plan/plan.ts';
import type { CheckpointCard } from '../model/card.ts';
import type { HubCached, HubJudged, HubPage, HubSnapshot } from '../model/hub.ts';
import { freeBytes, standing } from '../store/fs/folder.ts';
import { cachedModels } from '../store/hub/cache.ts';
import {
  begunSnapshot,
  dropDownload,
  missingBytes,
  partialDownloads,
  roomFor,
  wholeSnapshot,
} from '../store/hub/download.ts';
import { judgeModel } from '../store/hub/model.ts';
import { accountOf, planPush } from '../store/hub/push.ts';
import { createHub, type Hub, type Patience } from '../store/hub/requests.ts';
import { searchHub } from '../store/hub/search.ts';
import { findToken, hubSettings, readRepo, type Token } from '../store/hub/settings.ts';
import { downloadApart, pushApart } from '../store/hub/workers.ts';
import { controllerOf } from '../store/fs/signals.ts';
import { bytesOf, type WeightDType } from '../tensor/dtype.ts';
import { countOf } from '../tensor/layout.ts';
import type { Jobs } from './jobs.ts';
import { absolute, type Place } from './dependencies.ts';
import { memorySecrets } from './secrets.ts';

export interface HubDesk {
  search(search: HubSearch, signal?: AbortSignalLike): Promise<HubPage>;
  model(repo: string, revision?: string, signal?: AbortSignalLike): Promise<HubModel>;
  cached(): Promise<readonly HubCached[]>;
  downloads(): Promise<readonly HubDownload[]>;
  download(request: DownloadRequest): Promise<JobCard>;
  /** Stops a download; everything that came is kept, and it can be started again at any time. */
  pause(id: string): Promise<void>;
  /** Gives an unfinished download up and removes what came. */
  drop(repo: string, commit: string): Promise<void>;
  account(): Promise<HubAccount>;
  setToken(token: string | null): Promise<HubAccount>;
  planPush(dir: string, repo: string): Promise<PushPlan>;
  push(dir: string, repo: string, hidden: boolean): Promise<JobCard>;
  /** Pauses every download of this process. */
  pauseAll(): Promise<void>;
}

interface Active {
  readonly repo: string;
  readonly commit: string;
  readonly pause: () => void;
  readonly over: Promise<unknown>;
}
const secretName = 'hugging-face-token';
/** Judged models that are kept, so that what was shown is what is fetched. */
const remembered = 50;

export function createHubDesk(place: Place, jobs: Jobs, patience: Partial<Patience> = {}): HubDesk {
  const secrets = place.secrets ?? memorySecrets();
  const active = new Map<string, Active>();
  const seen = new Map<string, HubJudged>();
  const kept = async (): Promise<Token | null> => {
    const text = await secrets.get(secretName);
    return text === null ? null : { text, from: secrets.keeps === 'memory' ? 'memory' : 'the key store' };
  };
  const open = async (): Promise<Hub> => {
    const settings = hubSettings();
    return createHub(settings, await findToken(settings, await kept()), patience);
  };
  const pause = async (id: string): Promise<void> => {
    const one = active.get(id) ?? refuse('job/not-found', { job: id });
    one.pause();
    await one.over;
  };

  const judge = async (
    hub: Hub,
    repo: string,
    revision?: string,
    signal?: AbortSignal,
  ): Promise<HubJudged> => {
    const model = await judgeModel(hub, repo, revision, signal);
    seen.set(`${repo}@${model.commit}`, model);
    if (seen.size > remembered) seen.delete(seen.keys().next().value!);
    return model;
  };
  /**
   * What to fetch: as the journal of an earlier start has it, as it was shown (the commit is fixed, and so
   * are its files), or judged now.
   */
  const snapshotFor = async (
    hub: Hub,
    { repo: given, revision: asked, anyway = false }: DownloadRequest,
  ): Promise<HubSnapshot> => {
    const { repo, revision = asked ?? 'main' } = readRepo(given);
    const begun = await begunSnapshot(hub.settings.cache, repo, revision);
    if (begun) return begun;
    const model = seen.get(`${repo}@${revision}`) ?? (await judge(hub, repo, revision));
    if (model.why && !anyway) throw new AppError(model.why.code, model.why.detail);
    return model;
  };

  /** The job that fetches this commit; refused while one fetches another commit of the repository. */
  const runningOf = (repo: string, commit: string): JobCard | undefined => {
    const [id, one] = [...active].find(([, one]) => one.repo === repo) ?? [];
    if (one && one.commit !== commit) refuse('hub/already', { repo });
    return jobs.list().find((job) => job.id === id);
  };

  const download = async (request: DownloadRequest): Promise<JobCard> => {
    const hub = await open();
    const snapshot = await snapshotFor(hub, request);
    const { repo, commit, files } = snapshot;
    const { cache } = hub.settings;
    if (!runningOf(repo, commit)) await roomFor(cache, snapshot);
    const running = runningOf(repo, commit); // a second click may have come in between
    if (running) return running;
    const stop = new AbortController();
    const since = Date.now();
    let paused = false;
    let settle = (): void => undefined;
    const over = new Promise<void>((good) => {
      settle = good;
    });
    const job = jobs.start<DownloadEvent>('download', `Fetching ${repo}`, async (push, signal) => {
      signal.addEventListener(
        'abort',
        () => {
          stop.abort();
        },
        { once: true },
      );
      let last: Extract<DownloadEvent, { at: 'bytes' }> | undefined;
      try {
        const dir = await downloadApart(
          hub,
          snapshot,
          (event) => {
            if (event.at === 'bytes') last = event;
            push(event, 'bytes');
          },
          stop.signal,
        );
        await place.home.rememberCheckpoint(dir, repo);
        push({
          at: 'done',
          repo,
          commit,
          dir,
          bytes: files.reduce((n, file) => n + file.bytes, 0),
          seconds: (Date.now() - since) / 1000,
        });
      } catch (error) {
        if (paused) push({ at: 'paused', done: last?.done ?? 0, of: last?.of ?? 0 });
        else if (signal.aborted) await dropDownload(cache, repo, commit);
        throw paused ? appError('cancelled', { what: `fetching ${repo}` }) : error;
      } finally {
        active.delete(job.id);
        settle();
      }
    });
    active.set(job.id, {
      repo,
      commit,
      over,
      pause: () => {
        paused = true;
        stop.abort();
      },
    });
    return job;
  };

  const account = async (): Promise<HubAccount> => {
    const hub = await open();
    const { endpoint, cache, offline } = hub.settings;
    const base = { endpoint, cache, offline, from: hub.token?.from ?? null, keeps: secrets.keeps };
    if (!hub.token || offline) return { ...base, name: null, write: null, error: null };
    return accountOf(hub).then(
      (who) => ({ ...base, ...who, error: null }),
      (error: unknown) => ({ ...base, name: null, write: null, error: errorData(error) }),
    );
  };

  return {
    search: async (search, signal) => searchHub(await open(), search, controllerOf(signal).signal),
    async model(given, asked, signal) {
      const hub = await open();
      const { repo, revision = asked } = readRepo(given);
      const model = await judge(hub, repo, revision, controllerOf(signal).signal);
      const { cache } = hub.settings;
      const [needed, free, dir] = await Promise.all([
        missingBytes(cache, repo, model.files),
        freeBytes(await standing(cache)),
        wholeSnapshot(cache, repo, model.commit),
      ]);
      return {
        ...model,
        needed,
        free,
        memory: totalmem(),
        doubled: model.card && doubledOf(model.card),
        dir: dir ?? null,
      };
    },
    cached: () => cachedModels(hubSettings().cache),
    async downloads() {
      const jobOf = (repo: string, commit: string): string | null =>
        [...active].find(([, one]) => one.repo === repo && one.commit === commit)?.[0] ?? null;
      return (await partialDownloads(hubSettings().cache)).map((one) => {
        const job = jobOf(one.repo, one.commit);
        return { ...one, job, state: job === null ? one.state : 'running' };
      });
    },
    download,
    pause,
    account,
    async drop(given, commit) {
      const { repo } = readRepo(given);
      const [id] = [...active].find(([, one]) => one.repo === repo && one.commit === commit) ?? [];
      if (id !== undefined) await jobs.cancel(id);
      else await dropDownload(hubSettings().cache, repo, commit);
    },
    async setToken(token) {
      // A token that the Hub does not accept is not kept.
      if (token !== null)
        await accountOf(
          createHub(
            hubSettings(),
            { text: token.trim(), from: secrets.keeps === 'memory' ? 'memory' : 'the key store' },
            patience,
          ),
        );
      await secrets.set(secretName, token?.trim() ?? null);
      return account();
    },
    planPush: async (dir, repo) => planPush(await open(), absolute(dir), repo),
    async push(dir, repo, hidden) {
      const hub = await open();
      const plan = await planPush(hub, absolute(dir), repo);
      return jobs.start<PushEvent>(
        'push',
        `Pushing ${basename(plan.dir)} to ${plan.repo}`,
        async (push, signal) => {
          push(
            await pushApart(
              hub,
              { dir: plan.dir, repo: plan.repo, private: hidden },
              (event) => {
                push(event, 'bytes');
              },
              controllerOf(signal).signal,
            ),
          );
        },
      );
    },
    async pauseAll() {
      await Promise.all([...active.keys()].map(pause));
    },
  };
}

const errorData = (thrown: unknown): ErrorData =>
  (thrown instanceof AppError ? thrown : appError('internal', { message: String(thrown) })).toData();

/** What twice the width would take, by the first doubling that whole copies can do. */
export function doubledOf(card: CheckpointCard): Doubled | null {
  for (const axes of [['hidden', 'ffn'], ['ffn'], ['layers']]) {
    const to = Object.fromEntries(
      axes.filter((axis) => axis in card.dims).map((axis) => [axis, 2 * card.dims[axis]!]),
    );
    try {
      const plan = planGrowth(card, {
        method: axes[0] === 'layers' ? 'stack' : 'hypercloning',
        to,
        options: {},
        seed: 0,
        dtype: 'keep',
      });
      const sizes = plan.tensors.map((t) => bytesOf(t.dtype as WeightDType, countOf(t.to)));
      const changed = Object.keys(plan.to).filter((axis) => plan.from[axis] !== plan.to[axis]);
      return {
        sizes: Object.fromEntries(
          changed.map((axis) => [axis, [plan.from[axis] ?? 0, plan.to[axis]!] as const]),
        ),
        parameters: plan.parameters.after,
        disk: sizes.reduce((a, b) => a + b, 0),
        grow: 3 * Math.max(...sizes) + engineBytes,
        train: 16 * plan.parameters.after,
      };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return null;
}
/** What a growing engine holds beside its largest weight, measured (docs/benchmarks.md). */
const engineBytes = 1.2e8;
