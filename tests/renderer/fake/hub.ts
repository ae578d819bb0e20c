/** @file The Hub of the fake service. */
import { AppError, refuse } from '../../../src-main/base/errors.ts';
import type { HubAccount, HubCached, HubDownload, HubHit, HubModel } from '../../../src-main/contract/hub.ts';
import type { CheckpointSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import type { FakeJobs } from './jobs.ts';
import { sleep } from './sleep.ts';

type HubPart = Pick<
  Service,
  | 'hubSearch'
  | 'searchDatasets'
  | 'hubDataset'
  | 'hubModel'
  | 'hubCached'
  | 'hubDownloads'
  | 'startDownload'
  | 'followDownload'
  | 'pauseDownload'
  | 'dropDownload'
  | 'hubAccount'
  | 'setHubToken'
  | 'planPush'
  | 'startPush'
  | 'followPush'
>;
const commit = 'a'.repeat(40);
const createHit = (repo: string, more: Partial<HubHit> = {}): HubHit => ({
  repo,
  family: 'llama',
  parameters: 1.1e9,
  licence: 'apache-2.0',
  downloads: 123_456,
  likes: 789,
  updated: '2026-11-01T00:00:00.000Z',
  gated: false,
  private: false,
  why: null,
  ...more,
});

/** Every model of this Hub is `summary` under its own name. */
export function createFakeHub(pace: number, jobs: FakeJobs, summary: CheckpointSummary): HubPart {
  const hits: readonly HubHit[] = [
    createHit('oak/acorn-1b'),
    createHit('oak/sapling-70m', { parameters: 70e6, downloads: 9000 }),
    createHit('oak/walled', { gated: 'manual' }),
    createHit('oak/packed', {
      why: { code: 'checkpoint/quantized', detail: { path: 'oak/packed', how: 'gptq' } },
    }),
  ];
  const cached: HubCached[] = [
    {
      repo: 'elm/leaf',
      commit,
      refs: ['main'],
      dir: '/home/me/.cache/huggingface/hub/models--elm--leaf/snapshots/a',
      bytes: 5e8,
      family: 'gpt2',
      why: null,
      own: false,
    },
  ];
  let account: HubAccount = {
    endpoint: 'https://huggingface.co',
    cache: '/home/me/.cache/huggingface/hub',
    offline: false,
    from: null,
    name: null,
    write: null,
    error: null,
    keeps: 'memory',
  };
  let downloads: HubDownload[] = [];
  const whyOf = (repo: string): HubHit['why'] => hits.find((hit) => hit.repo === repo)?.why ?? null;
  const createModel = (repo: string): HubModel => ({
    repo,
    revision: 'main',
    commit,
    url: `https://huggingface.co/${repo}`,
    gated: false,
    private: false,
    licence: 'apache-2.0',
    downloads: 1e5,
    likes: 10,
    updated: '2026-11-01T00:00:00.000Z',
    files: [
      { path: 'config.json', bytes: 700, etag: commit, sha256: false },
      { path: 'model.safetensors', bytes: 2e9, etag: commit, sha256: true },
    ],
    bytes: 2e9,
    skipped: { files: 2, bytes: 3e9 },
    needed: 2e9,
    free: 9e10,
    memory: 16e9,
    dir: null,
    why: whyOf(repo),
    card: whyOf(repo) ? null : { ...summary, dir: repo, name: repo },
    doubled: { sizes: { hidden: [64, 128] }, parameters: 4e9, disk: 8e9, grow: 9e8, train: 64e9 },
  });
  return {
    searchDatasets: async () => [],
    hubDataset: async ({ name }) => refuse('hub/bad-dataset', { given: name }),
    hubSearch: async ({ query, all }) => ({
      hits: hits.filter((hit) => hit.repo.includes(query) && (all || hit.why === null)),
      next: null,
    }),
    hubModel: async ({ repo }) =>
      repo === 'oak/walled' && account.name === null
        ? refuse('hub/gated', { repo, url: `https://huggingface.co/${repo}`, token: false })
        : createModel(repo),
    hubCached: async () => cached,
    hubDownloads: async () => downloads,
    startDownload: async ({ repo }) => {
      const job = jobs.start('download', `Downloading ${repo}`);
      downloads = [{ repo, revision: 'main', commit, done: 1e8, bytes: 2e9, state: 'running', job: job.id }];
      return job;
    },
    followDownload: async function* () {
      for (let i = 1; i <= 10; i++) {
        await sleep(pace);
        if (downloads[0]?.state === 'paused') {
          yield { type: 'paused' as const, done: 2e8 * i, of: 2e9 };
          throw new AppError('cancelled', { what: 'The download' });
        }
        yield {
          type: 'bytes' as const,
          done: 2e8 * i,
          of: 2e9,
          perSecond: 5e7,
          files: 1,
          ofFiles: 2,
          now: ['model.safetensors'],
        };
      }
      const { repo } = downloads[0]!;
      downloads = [];
      yield { type: 'done' as const, repo, commit, dir: summary.dir, bytes: 2e9, seconds: 40 };
    },
    pauseDownload: async () => {
      downloads = downloads.map((download) => ({ ...download, state: 'paused', job: null }));
      return {};
    },
    dropDownload: async () => {
      downloads = [];
      return {};
    },
    hubAccount: async () => account,
    setHubToken: async ({ token }) => {
      if (token === 'hf_wrong') refuse('hub/bad-token', { from: 'memory' });
      account =
        token === null
          ? { ...account, from: null, name: null, write: null }
          : { ...account, from: 'memory', name: 'me', write: true };
      return account;
    },
    planPush: async ({ dir, repo }) => {
      const isSignedIn = account.name !== null;
      const owned = isSignedIn ? `me/${repo}` : repo;
      const noToken = { code: 'hub/no-token', detail: { what: `pushing to ${repo}` } } as const;
      return {
        dir,
        repo: owned,
        account: account.name,
        exists: isSignedIn ? false : null,
        private: isSignedIn ? true : null,
        files: [
          { path: 'config.json', bytes: 700 },
          { path: 'model.safetensors', bytes: 4e6 },
        ],
        bytes: 4_000_700,
        url: `https://huggingface.co/${owned}`,
        blocker: isSignedIn ? null : noToken,
      };
    },
    startPush: async ({ repo }) => jobs.start('push', `Pushing to me/${repo}`),
    followPush: async function* () {
      for (let i = 1; i <= 5; i++) {
        await sleep(pace);
        yield {
          type: 'bytes' as const,
          phase: 'uploading' as const,
          done: 8e5 * i,
          of: 4e6,
          perSecond: 1e6,
          now: 'model.safetensors',
        };
      }
      yield {
        type: 'done' as const,
        repo: 'me/grown',
        commit,
        url: 'https://huggingface.co/me/grown',
        files: 2,
        bytes: 4_000_700,
        private: true,
      };
    },
  };
}
