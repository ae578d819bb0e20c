import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HubJudged } from '../../../src-main/model/hub.ts';
import { blobFile, cachedModels, repoFolder } from '../../../src-main/store/hub/cache.ts';
import {
  downloadSnapshot,
  dropDownload,
  partialDownloads,
  wholeSnapshot,
} from '../../../src-main/store/hub/download.ts';
import { hold } from '../../../src-main/store/hub/journal.ts';
import { judgeModel } from '../../../src-main/store/hub/model.ts';
import type { Hub } from '../../../src-main/store/hub/requests.ts';
import { refusal } from '../../support/refusal.ts';
import { until } from '../../support/workplace.ts';
import { client, original, repo, same, server, withServer } from './workbench.ts';

withServer();
afterEach(() => {
  server.faults = [];
});
/** Two commits with the same weights. */
async function twoCommits(): Promise<readonly [HubJudged, HubJudged]> {
  const older = await judgeModel(client(), repo);
  server.add(repo, { ...original(older.commit), 'README.md': 'newer' }, {}, 'newer');
  return [older, await judgeModel(client(), repo, 'newer')];
}
const begun = (cache: string, commit: string): Promise<void> =>
  until(async () =>
    (await partialDownloads(cache)).some((one) => one.commit === commit && one.state === 'elsewhere'),
  );
/** Stops a download, which is slow from here on, as soon as something of it is there. */
async function interrupted(hub: Hub, model: HubJudged): Promise<void> {
  const stop = new AbortController();
  server.faults = [{ on: /GET cdn/, times: 999, slow: 20 }];
  await refusal('cancelled', () =>
    downloadSnapshot(hub, model, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.at === 'bytes' && event.done > 0) stop.abort();
      },
    }),
  );
}

describe('one download at a time of a repository', () => {
  it("is one process's at a time, and given up leaves nothing", async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const folder = repoFolder(cache, repo);
    mkdirSync(folder, { recursive: true });
    const release = await hold(folder, repo, model.commit);
    await refusal('hub/already', () => downloadSnapshot(hub, model));
    await release();
    await interrupted(hub, model);
    expect((await partialDownloads(cache)).length).toBe(1);
    await dropDownload(cache, repo, model.commit);
    expect(existsSync(folder)).toBe(false);
  });

  it('gives up nothing that another snapshot names', async () => {
    const hub = client();
    const model = await judgeModel(hub, repo);
    const { cache } = hub.settings;
    const whole = await downloadSnapshot(hub, model);
    const files = original(model.commit);
    const next = server.add(repo, { ...files, 'README.md': 'new' }, {}, 'dev');
    const newer = {
      ...model,
      commit: next,
      files: [...model.files, { path: 'extra.json', bytes: 3, etag: 'a'.repeat(40), sha256: false }],
    };
    server.faults = [{ on: /extra/, times: 9, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } }];
    await refusal('hub/no-file', () => downloadSnapshot(hub, newer));
    await dropDownload(cache, repo, next);
    same(whole, model);
    expect((await cachedModels(cache)).map((one) => one.commit)).toEqual([model.commit]);
  });

  it("is one commit's of a repository at a time, because commits share their blobs", async () => {
    const [older, newer] = await twoCommits();
    const hub = client();
    const { cache } = hub.settings;
    await interrupted(hub, older);
    const work = downloadSnapshot(hub, newer);
    await begun(cache, newer.commit);
    await refusal('hub/already', () => downloadSnapshot(hub, older));
    await refusal('hub/already', () => dropDownload(cache, repo, older.commit));
    expect((await partialDownloads(cache)).map((one) => [one.commit, one.state]).sort()).toEqual(
      [
        [older.commit, 'paused'],
        [newer.commit, 'elsewhere'],
      ].sort(),
    );
    server.faults = [];
    same(await work, newer);
  });

  it('given up leaves the blobs of a whole snapshot whose files are no links', async () => {
    const [older, newer] = await twoCommits();
    const hub = client();
    const { cache } = hub.settings;
    const whole = await downloadSnapshot(hub, older);
    for (const { path, etag } of older.files) {
      rmSync(join(whole, path));
      copyFileSync(blobFile(cache, repo, etag), join(whole, path));
    }
    server.faults = [{ on: /README/, times: 9, status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } }];
    await refusal('hub/no-file', () => downloadSnapshot(hub, newer));
    await dropDownload(cache, repo, newer.commit);
    expect(await wholeSnapshot(cache, repo, older.commit)).toBe(whole);
    same(whole, older);
  });

  it('given up leaves what another unfinished one has begun with', async () => {
    const [older, newer] = await twoCommits();
    const hub = client();
    const { cache } = hub.settings;
    const folder = repoFolder(cache, repo);
    for (const model of [older, newer]) await interrupted(hub, model);
    const before = (await partialDownloads(cache)).find((one) => one.commit === newer.commit)!.done;
    expect(before).toBeGreaterThan(0);
    await dropDownload(cache, repo, older.commit);
    expect(await partialDownloads(cache)).toMatchObject([{ commit: newer.commit, done: before }]);
    await dropDownload(cache, repo, newer.commit);
    expect(existsSync(folder)).toBe(false);
  });
});
