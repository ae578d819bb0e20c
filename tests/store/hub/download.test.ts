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
import { keyOf, uniformAt } from '../../../src-main/base/random.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { blobFile, cachedModels, partialFile, repoFolder } from '../../../src-main/store/hub/cache.ts';
import {
  downloadSnapshot,
  partialDownloads,
  roomFor,
  wholeSnapshot,
} from '../../../src-main/store/hub/download.ts';
import { judgeModel } from '../../../src-main/store/hub/model.ts';
import { downloadApart } from '../../../src-main/store/hub/workers.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import {
  client,
  digests,
  everything,
  original,
  repo,
  same,
  secret,
  server,
  withServer,
} from './workbench.ts';

withServer();
afterEach(() => {
  server.faults = [];
});

describe('a download', () => {
  it('is the Hugging Face cache: blobs by their hash, links, the ref, and a manifest', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const folder = repoFolder(cache, repo);
    expect(await wholeSnapshot(cache, repo, model.commit)).toBeUndefined();
    const events: { done: number; of: number }[] = [];
    const dir = await downloadSnapshot(hub, model, {
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(dir).toBe(join(cache, 'models--org--sharded', 'snapshots', model.commit));
    same(dir, model);
    for (const { path, etag } of model.files)
      expect(readlinkSync(join(dir, path))).toBe(join('..', '..', 'blobs', etag));
    expect(readdirSync(join(folder, 'blobs')).sort()).toEqual(
      [...new Set(model.files.map((file) => file.etag))].sort(),
    );
    expect(readFileSync(join(folder, 'refs', 'main'), 'utf8')).toBe(model.commit);
    expect(events.at(-1)).toMatchObject({ done: model.bytes, of: model.bytes });
    expect(await cachedModels(cache)).toMatchObject([
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
    expect((await openCheckpoint(dir)).card.name).toBe(repo);
    server.seen.length = 0;
    expect(await downloadSnapshot(hub, model)).toBe(dir);
    expect(server.seen).toEqual([]);
  });

  it('cut at 20 random places ends with the same hashes, each byte fetched about once', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const whole = await downloadSnapshot(client(), model);
    const shards = model.files.filter((file) => file.sha256);
    const key = keyOf(7, 'cuts');
    server.faults = Array.from({ length: 20 }, (_, i) => ({
      on: new RegExp(`GET cdn /blob/${shards[i % shards.length]!.etag}`),
      times: 1,
      cut: Math.floor(uniformAt(key, i) * shards[i % shards.length]!.bytes * 0.3),
    }));
    server.seen.length = 0;
    const dir = await downloadSnapshot(hub, model);
    expect(server.faults.every((fault) => fault.times === 0)).toBe(true);
    expect(digests(dir)).toEqual(digests(whole));
    expect(
      server.seen.filter(({ at, range }) => at === 'cdn' && range !== undefined && /bytes=[1-9]/.test(range))
        .length,
    ).toBeGreaterThan(10);
    expect(
      readdirSync(join(repoFolder(cache, repo), 'blobs')).some((name) => name.includes('incomplete')),
    ).toBe(false);
  });

  it('stopped at 20 random moments is picked up where it was, by another process too', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const key = keyOf(8, 'stops');
    let fetched = 0;
    for (let i = 0; i < 20; i++) {
      const stop = new AbortController();
      const [shard] = model.files.filter((file) => file.sha256).slice(i % 5);
      server.faults = [{ on: /GET cdn/, times: 99, slow: 1 }];
      const until = uniformAt(key, i) * model.bytes * 0.1;
      const work = downloadSnapshot(hub, model, { signal: stop.signal });
      const before = statOf(partialFile(cache, repo, shard!.etag));
      const watch = setInterval(() => {
        if (statOf(partialFile(cache, repo, shard!.etag)) - before > until / 5) stop.abort();
      }, 1);
      const timer = setTimeout(() => {
        stop.abort();
      }, 40);
      const over = await work.then(
        () => true,
        (error: { code?: string }) => {
          expect(error.code).toBe('cancelled');
          return false;
        },
      );
      clearInterval(watch);
      clearTimeout(timer);
      const now = (await partialDownloads(cache))[0]?.done ?? model.bytes;
      expect(now).toBeGreaterThanOrEqual(fetched);
      fetched = now;
      if (over) break;
      expect(await wholeSnapshot(cache, repo, model.commit)).toBeUndefined();
      expect(await cachedModels(cache)).toEqual([]);
    }
    server.faults = [];
    server.seen.length = 0;
    same(await downloadApart(hub, model, () => undefined, new AbortController().signal), model);
    expect(await partialDownloads(cache)).toEqual([]);
  });

  it('bytes that are wrong are fetched anew, and twice wrong is one sentence; nothing else is lost', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const shard = model.files.filter((file) => file.sha256)[2]!;
    server.faults = [{ on: new RegExp(shard.etag), times: 1, wrong: true }];
    same(await downloadSnapshot(hub, model), model);
    rmSync(cache, { recursive: true });
    server.faults = [{ on: new RegExp(shard.etag), times: 2, wrong: true }];
    const { detail } = await refusal('hub/wrong-bytes', () => downloadSnapshot(hub, model));
    expect(detail).toEqual({ repo, file: shard.path });
    expect(existsSync(blobFile(cache, repo, shard.etag))).toBe(false);
    const [left] = await partialDownloads(cache);
    expect(left).toMatchObject({ repo, commit: model.commit, state: 'paused' });
    same(await downloadSnapshot(hub, model), model);
  });

  it('a small file is checked by its git hash', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    server.faults = [{ on: /GET hub .*resolve-cache.*tokenizer\.json/, times: 2, wrong: true }];
    expect((await refusal('hub/wrong-bytes', () => downloadSnapshot(hub, model))).detail['file']).toBe(
      'tokenizer.json',
    );
  });

  it('a partial file of zeros, too long, or of a server without ranges comes right', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const [one, two, three] = model.files.filter((file) => file.sha256);
    mkdirSync(join(repoFolder(cache, repo), 'blobs'), { recursive: true });
    writeFileSync(partialFile(cache, repo, one!.etag), Buffer.alloc(1000));
    writeFileSync(partialFile(cache, repo, two!.etag), Buffer.alloc(two!.bytes + 5));
    writeFileSync(
      partialFile(cache, repo, three!.etag),
      original(model.commit)[three!.path]!.subarray(0, 777),
    );
    server.faults = [{ on: new RegExp(three!.etag), times: 9, plain: true }];
    same(await downloadSnapshot(hub, model), model);
  });

  it('a file that has changed is one sentence, and what came is kept', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const shard = model.files.filter((file) => file.sha256)[1]!;
    mkdirSync(join(repoFolder(cache, repo), 'blobs'), { recursive: true });
    writeFileSync(partialFile(cache, repo, shard.etag), original(model.commit)[shard.path]!.subarray(0, 500));
    server.faults = [{ on: new RegExp(`resolve.*${shard.path}`), times: 99, etag: 'f'.repeat(64) }];
    const { detail, message } = await refusal('hub/changed', () => downloadSnapshot(hub, model));
    expect(detail).toEqual({ repo, file: shard.path });
    expect(message).not.toContain('Signature');
    expect(statSync(partialFile(cache, repo, shard.etag)).size).toBe(500);
    server.faults = [];
    same(await downloadSnapshot(hub, model), model);
    server.faults = [
      { on: /resolve/, times: 999, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } },
    ];
    await refusal('hub/no-file', () => downloadSnapshot(client(), model));
  });

  it('two files of the same content are one blob, fetched once', async () => {
    const text = '{"same": 1}';
    server.add('org/twins', {
      ...original(server.models.get(repo)!.branches.get('main')!),
      'special_tokens_map.json': text,
      'added_tokens.json': text,
    });
    const hub = client();
    const model = await judgeModel(hub, 'org/twins');
    const events: { done: number; of: number }[] = [];
    server.seen.length = 0;
    const dir = await downloadSnapshot(hub, model, {
      onEvent: (event) => {
        events.push(event);
      },
    });
    expect(readFileSync(join(dir, 'added_tokens.json'), 'utf8')).toBe(text);
    expect(server.seen.filter(({ path }) => /resolve\/.*(special|added)_tokens/.test(path)).length).toBe(1);
    expect(events.at(-1)!.done).toBe(events.at(-1)!.of);
  });

  it('a small file that has changed is told by its tag', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    server.faults = [{ on: /resolve-cache.*tokenizer\.json/, times: 99, etag: 'e'.repeat(40) }];
    expect((await refusal('hub/changed', () => downloadSnapshot(hub, model))).detail['file']).toBe(
      'tokenizer.json',
    );
  });

  it('a token that stops working is one sentence, and what came is kept', async () => {
    const hub = client(secret);
    const model = await judgeModel(hub, 'org/gated');
    const { cache } = hub.settings;
    const first = new AbortController();
    server.faults = [{ on: /GET cdn/, times: 9, slow: 60 }];
    setTimeout(() => {
      first.abort();
    }, 80);
    await refusal('cancelled', () => downloadSnapshot(hub, model, { signal: first.signal }));
    const { done } = (await partialDownloads(cache))[0]!;
    server.faults = [];
    await refusal('hub/bad-token', () =>
      downloadSnapshot(client('hf_wrong', {}, { HF_HUB_CACHE: cache }), model),
    );
    await refusal('hub/gated', () => downloadSnapshot(client(null, {}, { HF_HUB_CACHE: cache }), model));
    expect((await partialDownloads(cache))[0]!.done).toBeGreaterThanOrEqual(done);
    expect((await openCheckpoint(await downloadSnapshot(hub, model))).card.name).toBe('org/gated');
  });

  it('asks for the space it needs first', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    server.seen.length = 0;
    const { detail } = await refusal('file/no-space', () =>
      downloadSnapshot(hub, model, { free: () => Promise.resolve(model.bytes - 1) }),
    );
    expect(detail).toMatchObject({ needed: model.bytes, free: model.bytes - 1 });
    expect(await roomFor(freshFolder(), model, () => Promise.resolve(model.bytes))).toBe(model.bytes);
    expect(server.seen).toEqual([]);
  });

  it('a damaged journal or a missing blob means that it is not whole', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    await downloadSnapshot(hub, model);
    truncateSync(blobFile(cache, repo, model.files.find((file) => file.sha256)!.etag), 10);
    expect(await wholeSnapshot(cache, repo, model.commit)).toBeUndefined();
    same(await downloadSnapshot(hub, model), model);
    writeFileSync(join(repoFolder(cache, repo), '.cambium', `${model.commit}.json`), '{');
    expect(await wholeSnapshot(cache, repo, model.commit)).toBeUndefined();
    same(await downloadSnapshot(hub, model), model);
  });

  it('the token is in one header, for the Hub alone, and nowhere on the disk', async () => {
    const hub = client(secret);
    const model = await judgeModel(hub, 'org/gated');
    server.seen.length = 0;
    await downloadApart(hub, model, () => undefined, new AbortController().signal);
    expect(server.seen.filter(({ at }) => at === 'cdn').length).toBeGreaterThan(0);
    for (const { at, path, authorization } of server.seen) {
      expect(authorization).toBe(at === 'hub' ? `Bearer ${secret}` : undefined);
      expect(path).not.toContain(secret);
    }
    expect(everything(hub.settings.cache)).not.toMatch(/hf_|very-secret/);
  });
});

describe('the cache that others filled', () => {
  it('lists what can be used in place, and says what cannot', async () => {
    const { cache } = client().settings;
    const make = (name: string, files: Record<string, string>): void => {
      const dir = join(cache, name, 'snapshots', 'c'.repeat(40));
      mkdirSync(dir, { recursive: true });
      for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
    };
    make('models--a--half', { 'config.json': '{"model_type":"llama"}' });
    make('models--a--other', { 'config.json': '{"model_type":"mamba"}', 'model.safetensors': 'x' });
    make('models--a--tokenizer', { 'tokenizer.json': '{}' });
    make('datasets--a--b', { 'config.json': '{}' });
    make('models--b', { 'config.json': '{"model_type":"llama"}', 'model.safetensors': 'x' });
    writeFileSync(join(cache, 'version.txt'), '1');
    const found = Object.fromEntries(
      (await cachedModels(cache)).map((one) => [one.repo, [one.why?.code ?? null, one.own]]),
    );
    expect(found).toEqual({
      'a/half': ['checkpoint/no-weights', false],
      'a/other': ['checkpoint/unknown-family', false],
      b: [null, false],
    });
    expect(await cachedModels('/nowhere')).toEqual([]);
  });
});

const mounted: string[] = [];
afterAll(() => {
  for (const dir of mounted) spawnSync('umount', [dir]);
});
function disk(size: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const dir = freshFolder('disk');
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status !== 0) return undefined;
  mounted.push(dir);
  return dir;
}
const small = disk(200_000);
describe.skipIf(small === undefined)('a disk that fills up', () => {
  it('is one sentence with the numbers, keeps what came, and goes on when there is room', async () => {
    const hub = client(null, {}, { HF_HUB_CACHE: small! });
    const model = await judgeModel(hub, repo);
    const filler = join(small!, 'filler');
    expect(model.bytes).toBeGreaterThan(200_000);
    const { detail } = await refusal('file/no-space', () =>
      downloadSnapshot(hub, model, { free: () => Promise.resolve(1e12) }),
    );
    expect(detail).toMatchObject({ path: small });
    expect(Number(detail['needed'])).toBeGreaterThan(Number(detail['free']));
    const [left] = await partialDownloads(small!);
    expect(left!.done).toBeGreaterThan(50_000);
    expect(existsSync(filler)).toBe(false);
    spawnSync('mount', ['-o', 'remount,size=4M', small!]);
    same(await downloadSnapshot(hub, model), model);
  });
});

const statOf = (path: string): number => {
  try {
    return lstatSync(path).size;
  } catch {
    return 0;
  }
};
