import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import {
  getBlobPath,
  getPartialPath,
  getRepoDir,
  listCachedModels,
} from '../../../src-main/store/hub/cache.ts';
import {
  checkFreeSpace,
  downloadSnapshot,
  findCompleteSnapshot,
  listPartialDownloads,
} from '../../../src-main/store/hub/download.ts';
import { inspectModel } from '../../../src-main/store/hub/model.ts';
import { downloadInWorker } from '../../../src-main/store/hub/workers.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import {
  createClient,
  expectSameFiles,
  getFiles,
  hashFiles,
  readAllText,
  repo,
  server,
  useLocalHub,
  writeToken,
} from './local-hub.ts';

useLocalHub();
afterEach(() => {
  server.faults = [];
});

describe('downloadSnapshot', () => {
  it('fills the Hugging Face cache: blobs named by their hash, links, the ref, and a manifest', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const folder = getRepoDir(cache, repo);
    expect(await findCompleteSnapshot(cache, repo, model.commit)).toBeUndefined();
    const events: { done: number; of: number }[] = [];
    const dir = await downloadSnapshot(hub, model, {
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(dir).toBe(join(cache, 'models--org--sharded', 'snapshots', model.commit));
    expectSameFiles(dir, model);
    for (const { path, etag } of model.files)
      expect(readlinkSync(join(dir, path))).toBe(join('..', '..', 'blobs', etag));
    expect(readdirSync(join(folder, 'blobs')).sort()).toEqual(
      [...new Set(model.files.map((file) => file.etag))].sort(),
    );
    expect(readFileSync(join(folder, 'refs', 'main'), 'utf8')).toBe(model.commit);
    expect(events.at(-1)).toMatchObject({ done: model.bytes, of: model.bytes });
    expect(await listCachedModels(cache)).toMatchObject([
      {
        repo,
        commit: model.commit,
        refs: ['main'],
        dir,
        family: 'gpt2',
        why: null,
        own: true,
        bytes: model.bytes,
      },
    ]);
    expect((await openCheckpoint(dir)).summary.name).toBe(repo);
    server.requests.length = 0;
    expect(await downloadSnapshot(hub, model)).toBe(dir);
    expect(server.requests).toEqual([]);
  });

  it('resumes after 20 broken connections and ends with the right hashes', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const expected = await downloadSnapshot(createClient(), model);
    const shards = model.files.filter((file) => file.sha256);
    const key = deriveKey(7, 'cuts');
    server.faults = Array.from({ length: 20 }, (_, i) => ({
      match: new RegExp(`GET cdn /blob/${shards[i % shards.length]!.etag}`),
      times: 1,
      cutAfter: Math.floor(uniformAt(key, i) * shards[i % shards.length]!.bytes * 0.3),
    }));
    server.requests.length = 0;
    const dir = await downloadSnapshot(hub, model);
    expect(server.faults.every((fault) => fault.times === 0)).toBe(true);
    expect(hashFiles(dir)).toEqual(hashFiles(expected));
    const resumed = server.requests.filter(
      (request) => request.server === 'cdn' && /bytes=[1-9]/.test(request.range ?? ''),
    );
    expect(resumed.length).toBeGreaterThan(10);
    const blobs = readdirSync(join(getRepoDir(cache, repo), 'blobs'));
    expect(blobs.some((name) => name.includes('incomplete'))).toBe(false);
  });

  it('resumes after being stopped at 20 random moments, also in a worker', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const key = deriveKey(8, 'stops');
    let fetched = 0;
    for (let i = 0; i < 20; i++) {
      const stop = new AbortController();
      const [shard] = model.files.filter((file) => file.sha256).slice(i % 5);
      server.faults = [{ match: /GET cdn/, times: 99, chunkDelayMs: 1 }];
      const maxBytes = uniformAt(key, i) * model.bytes * 0.02;
      const download = downloadSnapshot(hub, model, { signal: stop.signal });
      const partial = getPartialPath(cache, repo, shard!.etag);
      const before = readSize(partial);
      const watch = setInterval(() => {
        if (readSize(partial) - before > maxBytes) stop.abort();
      }, 1);
      const timer = setTimeout(() => {
        stop.abort();
      }, 40);
      const isComplete = await download.then(
        () => true,
        (error: { code?: string }) => {
          expect(error.code).toBe('cancelled');
          return false;
        },
      );
      clearInterval(watch);
      clearTimeout(timer);
      const now = (await listPartialDownloads(cache))[0]?.done ?? model.bytes;
      expect(now).toBeGreaterThanOrEqual(fetched);
      fetched = now;
      if (isComplete) break;
      expect(await findCompleteSnapshot(cache, repo, model.commit)).toBeUndefined();
      expect(await listCachedModels(cache)).toEqual([]);
    }
    server.faults = [];
    server.requests.length = 0;
    expectSameFiles(await downloadInWorker(hub, model, () => undefined, new AbortController().signal), model);
    expect(await listPartialDownloads(cache)).toEqual([]);
  });

  it('fetches a corrupt file once more, then refuses and keeps the other files', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const shard = model.files.filter((file) => file.sha256)[2]!;
    server.faults = [{ match: new RegExp(shard.etag), times: 1, corrupt: true }];
    expectSameFiles(await downloadSnapshot(hub, model), model);
    rmSync(cache, { recursive: true });
    server.faults = [{ match: new RegExp(shard.etag), times: 2, corrupt: true }];
    const { detail } = await expectAppError('hub/wrong-bytes', () => downloadSnapshot(hub, model));
    expect(detail).toEqual({ repo, file: shard.path });
    expect(existsSync(getBlobPath(cache, repo, shard.etag))).toBe(false);
    const [partial] = await listPartialDownloads(cache);
    expect(partial).toMatchObject({ repo, commit: model.commit, state: 'paused' });
    expectSameFiles(await downloadSnapshot(hub, model), model);
  });

  it('checks a small file by its git hash', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    server.faults = [{ match: /GET hub .*resolve-cache.*tokenizer\.json/, times: 2, corrupt: true }];
    expect((await expectAppError('hub/wrong-bytes', () => downloadSnapshot(hub, model))).detail['file']).toBe(
      'tokenizer.json',
    );
  });

  it('recovers from a wrong or too long partial file, and from a server without range requests', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const [wrong, tooLong, third] = model.files.filter((file) => file.sha256);
    mkdirSync(join(getRepoDir(cache, repo), 'blobs'), { recursive: true });
    writeFileSync(getPartialPath(cache, repo, wrong!.etag), Buffer.alloc(1000));
    writeFileSync(getPartialPath(cache, repo, tooLong!.etag), Buffer.alloc(tooLong!.bytes + 5));
    writeFileSync(
      getPartialPath(cache, repo, third!.etag),
      getFiles(model.commit)[third!.path]!.subarray(0, 777),
    );
    server.faults = [{ match: new RegExp(third!.etag), times: 9, ignoreRange: true }];
    expectSameFiles(await downloadSnapshot(hub, model), model);
  });

  it('refuses a file that changed on the Hub, and keeps what has arrived', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const shard = model.files.filter((file) => file.sha256)[1]!;
    mkdirSync(join(getRepoDir(cache, repo), 'blobs'), { recursive: true });
    writeFileSync(
      getPartialPath(cache, repo, shard.etag),
      getFiles(model.commit)[shard.path]!.subarray(0, 500),
    );
    server.faults = [{ match: new RegExp(`resolve.*${shard.path}`), times: 99, etag: 'f'.repeat(64) }];
    const { detail, message } = await expectAppError('hub/changed', () => downloadSnapshot(hub, model));
    expect(detail).toEqual({ repo, file: shard.path });
    expect(message).not.toContain('Signature');
    expect(statSync(getPartialPath(cache, repo, shard.etag)).size).toBe(500);
    server.faults = [];
    expectSameFiles(await downloadSnapshot(hub, model), model);
    server.faults = [
      { match: /resolve/, times: 999, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } },
    ];
    await expectAppError('hub/no-file', () => downloadSnapshot(createClient(), model));
  });

  it('fetches two files of the same content once, as one blob', async () => {
    const text = '{"same": 1}';
    server.addCommit('org/twins', {
      ...getFiles(server.models.get(repo)!.branches.get('main')!),
      'special_tokens_map.json': text,
      'added_tokens.json': text,
    });
    const hub = createClient();
    const model = await inspectModel(hub, 'org/twins');
    const events: { done: number; of: number }[] = [];
    server.requests.length = 0;
    const dir = await downloadSnapshot(hub, model, {
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(readFileSync(join(dir, 'added_tokens.json'), 'utf8')).toBe(text);
    const requests = server.requests.filter(({ path }) => /resolve\/.*(special|added)_tokens/.test(path));
    expect(requests.length).toBe(1);
    expect(events.at(-1)!.done).toBe(events.at(-1)!.of);
  });

  it('recognises a changed small file by its ETag', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    server.faults = [{ match: /resolve-cache.*tokenizer\.json/, times: 99, etag: 'e'.repeat(40) }];
    expect((await expectAppError('hub/changed', () => downloadSnapshot(hub, model))).detail['file']).toBe(
      'tokenizer.json',
    );
  });

  it('refuses when the token stops working, and keeps what has arrived', async () => {
    const hub = createClient(writeToken);
    const model = await inspectModel(hub, 'org/gated');
    const { cache } = hub.settings;
    const first = new AbortController();
    server.faults = [{ match: /GET cdn/, times: 9, chunkDelayMs: 60 }];
    setTimeout(() => {
      first.abort();
    }, 80);
    await expectAppError('cancelled', () => downloadSnapshot(hub, model, { signal: first.signal }));
    const { done } = (await listPartialDownloads(cache))[0]!;
    server.faults = [];
    await expectAppError('hub/bad-token', () =>
      downloadSnapshot(createClient('hf_wrong', {}, { HF_HUB_CACHE: cache }), model),
    );
    await expectAppError('hub/gated', () =>
      downloadSnapshot(createClient(null, {}, { HF_HUB_CACHE: cache }), model),
    );
    expect((await listPartialDownloads(cache))[0]!.done).toBeGreaterThanOrEqual(done);
    expect((await openCheckpoint(await downloadSnapshot(hub, model))).summary.name).toBe('org/gated');
  });

  it('checks the free disk space before the first request', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    server.requests.length = 0;
    const { detail } = await expectAppError('file/no-space', () =>
      downloadSnapshot(hub, model, { getFreeBytes: () => Promise.resolve(model.bytes - 1) }),
    );
    expect(detail).toMatchObject({ needed: model.bytes, free: model.bytes - 1 });
    expect(await checkFreeSpace(freshFolder(), model, () => Promise.resolve(model.bytes))).toBe(model.bytes);
    expect(server.requests).toEqual([]);
  });

  it('repairs a snapshot with a damaged journal or a short blob', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    await downloadSnapshot(hub, model);
    truncateSync(getBlobPath(cache, repo, model.files.find((file) => file.sha256)!.etag), 10);
    expect(await findCompleteSnapshot(cache, repo, model.commit)).toBeUndefined();
    expectSameFiles(await downloadSnapshot(hub, model), model);
    writeFileSync(join(getRepoDir(cache, repo), '.cambium', `${model.commit}.json`), '{');
    expect(await findCompleteSnapshot(cache, repo, model.commit)).toBeUndefined();
    expectSameFiles(await downloadSnapshot(hub, model), model);
  });

  it('sends the token only to the Hub, in one header, and writes it nowhere', async () => {
    const hub = createClient(writeToken);
    const model = await inspectModel(hub, 'org/gated');
    server.requests.length = 0;
    await downloadInWorker(hub, model, () => undefined, new AbortController().signal);
    expect(server.requests.some((request) => request.server === 'cdn')).toBe(true);
    for (const request of server.requests) {
      expect(request.authorization).toBe(request.server === 'hub' ? `Bearer ${writeToken}` : undefined);
      expect(request.path).not.toContain(writeToken);
    }
    expect(readAllText(hub.settings.cache)).not.toMatch(/hf_|very-secret/);
  });
});

const mounted: string[] = [];
afterAll(() => {
  for (const dir of mounted) spawnSync('umount', [dir]);
});
/** Mounts a file system of `size` bytes; undefined where that is not allowed. */
function mountDisk(size: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const dir = freshFolder('disk');
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status !== 0) return undefined;
  mounted.push(dir);
  return dir;
}

const smallDisk = mountDisk(200_000);
describe.skipIf(smallDisk === undefined)('downloadSnapshot to a disk that fills up', () => {
  it('refuses with the numbers, keeps what has arrived, and resumes when there is room', async () => {
    const hub = createClient(null, {}, { HF_HUB_CACHE: smallDisk! });
    const model = await inspectModel(hub, repo);
    expect(model.bytes).toBeGreaterThan(200_000);
    const { detail } = await expectAppError('file/no-space', () =>
      downloadSnapshot(hub, model, { getFreeBytes: () => Promise.resolve(1e12) }),
    );
    expect(detail).toMatchObject({ path: smallDisk });
    expect(Number(detail['needed'])).toBeGreaterThan(Number(detail['free']));
    const [partial] = await listPartialDownloads(smallDisk!);
    expect(partial!.done).toBeGreaterThan(50_000);
    spawnSync('mount', ['-o', 'remount,size=4M', smallDisk!]);
    expectSameFiles(await downloadSnapshot(hub, model), model);
  });
});

/** Size of a file; 0 when it does not exist. */
const readSize = (path: string): number => {
  try {
    return lstatSync(path).size;
  } catch {
    return 0;
  }
};
