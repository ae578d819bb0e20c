import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HubModelInfo } from '../../../src-main/model/hub.ts';
import { getBlobPath, getRepoDir, listCachedModels } from '../../../src-main/store/hub/cache.ts';
import {
  discardDownload,
  downloadSnapshot,
  findCompleteSnapshot,
  listPartialDownloads,
} from '../../../src-main/store/hub/download.ts';
import { lockRepo } from '../../../src-main/store/hub/journal.ts';
import { inspectModel } from '../../../src-main/store/hub/model.ts';
import type { Hub } from '../../../src-main/store/hub/requests.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { waitUntil } from '../../support/test-service.ts';
import { createClient, expectSameFiles, getFiles, repo, server, useLocalHub } from './local-hub.ts';

useLocalHub();
afterEach(() => {
  server.faults = [];
});

/** Inspects two commits with the same weights. */
async function inspectTwoCommits(): Promise<readonly [HubModelInfo, HubModelInfo]> {
  const older = await inspectModel(createClient(), repo);
  server.addCommit(repo, { ...getFiles(older.commit), 'README.md': 'newer' }, {}, 'newer');
  return [older, await inspectModel(createClient(), repo, 'newer')];
}

const waitUntilStarted = (cache: string, commit: string): Promise<void> =>
  waitUntil(async () =>
    (await listPartialDownloads(cache)).some(
      (partial) => partial.commit === commit && partial.state === 'elsewhere',
    ),
  );

/** Starts a download and stops it after its first bytes. Downloads are slow from then on. */
async function startAndStop(hub: Hub, model: HubModelInfo): Promise<void> {
  const stop = new AbortController();
  server.faults = [{ match: /GET cdn/, times: 999, chunkDelayMs: 20 }];
  await expectAppError('cancelled', () =>
    downloadSnapshot(hub, model, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'bytes' && event.done > 0) stop.abort();
      },
    }),
  );
}

describe('downloads of one repository', () => {
  it('run one at a time; a discarded one leaves nothing', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const folder = getRepoDir(cache, repo);
    mkdirSync(folder, { recursive: true });
    const release = await lockRepo(folder, repo, model.commit);
    await expectAppError('hub/already', () => downloadSnapshot(hub, model));
    await release();
    await startAndStop(hub, model);
    expect((await listPartialDownloads(cache)).length).toBe(1);
    await discardDownload(cache, repo, model.commit);
    expect(existsSync(folder)).toBe(false);
  });

  it('can be discarded without harm to another snapshot', async () => {
    const hub = createClient();
    const model = await inspectModel(hub, repo);
    const { cache } = hub.settings;
    const dir = await downloadSnapshot(hub, model);
    const files = getFiles(model.commit);
    const next = server.addCommit(repo, { ...files, 'README.md': 'new' }, {}, 'dev');
    const newer = {
      ...model,
      commit: next,
      files: [...model.files, { path: 'extra.json', bytes: 3, etag: 'a'.repeat(40), sha256: false }],
    };
    server.faults = [{ match: /extra/, times: 9, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } }];
    await expectAppError('hub/no-file', () => downloadSnapshot(hub, newer));
    await discardDownload(cache, repo, next);
    expectSameFiles(dir, model);
    expect((await listCachedModels(cache)).map((one) => one.commit)).toEqual([model.commit]);
  });

  it('run one at a time even for different commits, because commits share blobs', async () => {
    const [older, newer] = await inspectTwoCommits();
    const hub = createClient();
    const { cache } = hub.settings;
    await startAndStop(hub, older);
    const download = downloadSnapshot(hub, newer);
    await waitUntilStarted(cache, newer.commit);
    await expectAppError('hub/already', () => downloadSnapshot(hub, older));
    await expectAppError('hub/already', () => discardDownload(cache, repo, older.commit));
    expect((await listPartialDownloads(cache)).map((one) => [one.commit, one.state]).sort()).toEqual(
      [
        [older.commit, 'paused'],
        [newer.commit, 'elsewhere'],
      ].sort(),
    );
    server.faults = [];
    expectSameFiles(await download, newer);
  });

  it('can be discarded without harm to a complete snapshot whose files are not links', async () => {
    const [older, newer] = await inspectTwoCommits();
    const hub = createClient();
    const { cache } = hub.settings;
    const dir = await downloadSnapshot(hub, older);
    for (const { path, etag } of older.files) {
      rmSync(join(dir, path));
      copyFileSync(getBlobPath(cache, repo, etag), join(dir, path));
    }
    server.faults = [
      { match: /README/, times: 9, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } },
    ];
    await expectAppError('hub/no-file', () => downloadSnapshot(hub, newer));
    await discardDownload(cache, repo, newer.commit);
    expect(await findCompleteSnapshot(cache, repo, older.commit)).toBe(dir);
    expectSameFiles(dir, older);
  });

  it('can be discarded without harm to another unfinished download', async () => {
    const [older, newer] = await inspectTwoCommits();
    const hub = createClient();
    const { cache } = hub.settings;
    const folder = getRepoDir(cache, repo);
    for (const model of [older, newer]) await startAndStop(hub, model);
    const before = (await listPartialDownloads(cache)).find((one) => one.commit === newer.commit)!.done;
    expect(before).toBeGreaterThan(0);
    await discardDownload(cache, repo, older.commit);
    expect(await listPartialDownloads(cache)).toMatchObject([{ commit: newer.commit, done: before }]);
    await discardDownload(cache, repo, newer.commit);
    expect(existsSync(folder)).toBe(false);
  });
});
