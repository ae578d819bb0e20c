import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { DownloadEvent } from '../../src-main/contract/hub.ts';
import { collectAll, errorCodeOf, waitUntil } from '../support/test-service.ts';
import { useHub } from './hub-fixture.ts';

const useFixture = useHub();

it('downloads a model as a job, and adds it to the known checkpoints and to the cache', async () => {
  const { app, slowDown, recover } = useFixture();
  const { api } = app.service;
  slowDown();
  const job = await api.startDownload({ repo: 'org/oak' });
  expect(await api.startDownload({ repo: 'org/oak' })).toMatchObject({ id: job.id });
  await waitUntil(async () => {
    const downloads = await api.hubDownloads({});
    return downloads.some(({ state, job: id, done }) => state === 'running' && id === job.id && done > 0);
  });
  recover();
  const events = await collectAll(api.followDownload({ id: job.id }));
  const done = events.at(-1) as Extract<DownloadEvent, { type: 'done' }>;
  expect(done).toMatchObject({ type: 'done', repo: 'org/oak' });
  expect((await api.openCheckpoint({ dir: done.dir })).name).toBe('org/oak');
  expect((await api.checkpoints({}))[0]).toMatchObject({ dir: done.dir, name: 'org/oak' });
  expect(await api.hubCached({})).toMatchObject([{ repo: 'org/oak', own: true, why: null }]);
  expect((await api.hubModel({ repo: 'org/oak' })).dir).toBe(done.dir);
  // A later follower gets the last progress and the end.
  expect((await collectAll(api.followDownload({ id: job.id }))).length).toBe(2);
});

it('refuses a model that cannot be grown, and an invalid name', async () => {
  const { api } = useFixture().app.service;
  expect(await errorCodeOf(api.startDownload({ repo: 'org/odd' }))).toBe('checkpoint/unknown-family');
  expect(await errorCodeOf(api.startDownload({ repo: '../odd' }))).toBe('hub/bad-name');
});

it('starts one job for several requests at once, and refuses another commit of the model meanwhile', async () => {
  const { app, server, slowDown, recover } = useFixture();
  const { api } = app.service;
  const main = server.models.get('org/oak')!.branches.get('main')!;
  const files = [...server.models.get('org/oak')!.commits.get(main)!];
  const otherFiles = Object.fromEntries(files.map(([path, { bytes }]) => [path, bytes]));
  server.addCommit('org/oak', { ...otherFiles, 'README.md': 'other' }, {}, 'other');
  slowDown();
  const jobs = await Promise.all([1, 2, 3].map(() => api.startDownload({ repo: 'org/oak' })));
  expect(new Set(jobs.map((job) => job.id)).size).toBe(1);
  const other = { repo: 'org/oak', revision: 'other' };
  expect(await errorCodeOf(api.startDownload(other))).toBe('hub/already');
  recover();
  const events = await collectAll(api.followDownload({ id: jobs[0]!.id }));
  expect(events.at(-1)).toMatchObject({ type: 'done', commit: main });
  expect((await api.startDownload(other)).state).toBe('running');
});

it('can be paused, continued by another service, and cancelled, which removes its files', async () => {
  const { app, cache, slowDown } = useFixture();
  const { api } = app.service;
  slowDown();
  const job = await api.startDownload({ repo: 'org/oak' });
  await waitUntil(async () => ((await api.hubDownloads({}))[0]?.done ?? 0) > 20_000);
  await api.pauseDownload({ id: job.id });
  const [paused] = await api.hubDownloads({});
  expect(paused).toMatchObject({ repo: 'org/oak', state: 'paused', job: null });
  expect(await errorCodeOf(collectAll(api.followDownload({ id: job.id })))).toBe('cancelled');
  await app.service.close();

  const request = { repo: paused!.repo, revision: paused!.commit };
  const second = app.restart();
  expect(await second.api.hubDownloads({})).toEqual([paused]);
  const continued = await second.api.startDownload(request);
  await waitUntil(async () => ((await second.api.hubDownloads({}))[0]?.done ?? 0) > paused!.done);
  expect(continued.state).toBe('running');
  // Closing the service pauses the download.
  await second.close();

  const third = app.restart();
  const again = await third.api.startDownload(request);
  await third.api.cancelJob({ id: again.id });
  expect(await third.api.hubDownloads({})).toEqual([]);
  expect(existsSync(join(cache, 'models--org--oak'))).toBe(false);
});

it('can be discarded while it is paused', async () => {
  const { app, slowDown } = useFixture();
  const { api } = app.service;
  slowDown();
  const job = await api.startDownload({ repo: 'org/oak' });
  await waitUntil(async () => ((await api.hubDownloads({}))[0]?.done ?? 0) > 0);
  await api.pauseDownload({ id: job.id });
  const [paused] = await api.hubDownloads({});
  await api.dropDownload({ repo: paused!.repo, commit: paused!.commit });
  expect(await api.hubDownloads({})).toEqual([]);
});

it('does not block the event loop', async () => {
  const { api } = useFixture().app.service;
  const job = await api.startDownload({ repo: 'org/oak' });
  let longest = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
  }, 5);
  await collectAll(api.followDownload({ id: job.id }));
  clearInterval(timer);
  expect(longest).toBeLessThan(1000);
});
