import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../src-main/entry/node/program.ts';
import type { DownloadEvent } from '../../src-main/contract/hub.ts';
import { HubServer } from '../support/hub-server.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { freshFolder } from '../support/temporary.ts';
import { errorCodeOf, collectAll, waitUntil, startTestService, type TestService } from '../support/test-service.ts';

const server = new HubServer();
const secret = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
const none = {
  query: '',
  sort: 'downloads',
  family: '',
  minParameters: null,
  maxParameters: null,
  licence: '',
  all: false,
  from: null,
} as const;
const kept = { ...process.env };
let place: TestService;
let cache: string;

beforeAll(async () => {
  await server.start();
  const model = await makeTinyCheckpoint('llama', {
    dir: join(freshFolder(), 'oak'),
    tokenizer: true,
    shards: 4,
    dims: { hidden: 64, ffn: 256, layers: 4 },
  });
  server.addFolder(
    'org/oak',
    model,
    { downloads: 9, license: 'mit' },
    { 'pytorch_model.bin': Buffer.alloc(1000) },
  );
  server.addFolder('org/gated', model, { gated: 'manual' });
  server.addCommit('org/odd', { 'config.json': '{"model_type":"mamba"}', 'model.safetensors': Buffer.alloc(30) });
  server.accounts.set(secret, { name: 'me', role: 'write', gatedRepos: ['org/gated'] });
});
afterAll(() => server.stop());
beforeEach(() => {
  place = startTestService();
  cache = join(place.dir, 'hf', 'hub');
  const others = Object.entries(kept).filter(
    ([name]) => !/^(HF_|HUGGING|XDG_CACHE|TRANSFORMERS_OFF)/.test(name),
  );
  process.env = {
    ...Object.fromEntries(others),
    HF_ENDPOINT: server.endpoint,
    HF_HOME: join(place.dir, 'hf'),
  };
});
afterEach(async () => {
  server.faults = [];
  process.env = { ...kept };
  await place.service.close();
  await place.cleanUp();
});
const slow = (): void => {
  server.faults = [{ match: /GET cdn/, times: 999, chunkDelayMs: 4 }];
};
const everything = (dir: string): string =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name} ${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n');
async function cambium(
  argv: readonly string[],
  signal = new AbortController().signal,
): Promise<{ code: number; out: string; err: string; last: () => Record<string, unknown> }> {
  let out = '';
  let err = '';
  const code = await runProgram(argv, {
    version: '1',
    signal,
    pages: place.dir,
    browser: null,
    start: () => place.restart(),
    streams: {
      out: {
        write: (text) => {
          out += text;
        },
      },
      err: {
        isTTY: false,
        columns: 100,
        write: (text) => {
          err += text;
        },
      },
    },
  });
  return {
    code,
    out,
    err,
    last: () => JSON.parse(out.trimEnd().split('\n').at(-1)!) as Record<string, unknown>,
  };
}

describe('the Hub in the service', () => {
  it('judges a model against this computer', async () => {
    const { api } = place.service;
    const model = await api.hubModel({ repo: 'org/oak' });
    expect(model).toMatchObject({
      repo: 'org/oak',
      licence: 'mit',
      why: null,
      dir: null,
      needed: model.bytes,
    });
    expect(model.free).toBeGreaterThan(model.needed);
    expect(model.doubled!.sizes['hidden']).toEqual([64, 128]);
    expect(model.doubled!.parameters).toBeGreaterThan(2 * model.card!.parameters);
    expect(model.doubled!.disk).toBe(4 * model.doubled!.parameters);
    expect(model.doubled!.train).toBe(16 * model.doubled!.parameters);
    expect((await api.hubModel({ repo: 'org/odd' })).why).toMatchObject({
      code: 'checkpoint/unknown-family',
    });
    expect((await api.hubSearch(none)).hits.map((hit) => hit.repo)).toEqual(['org/oak', 'org/gated']);
  });

  it('fetches as a job: progress, the folder remembered, the cache listed; a second start is the same job', async () => {
    const { api } = place.service;
    slow();
    const job = await api.startDownload({ repo: 'org/oak' });
    expect(await api.startDownload({ repo: 'org/oak' })).toMatchObject({ id: job.id });
    await waitUntil(async () =>
      (await api.hubDownloads({})).some(
        (one) => one.state === 'running' && one.job === job.id && one.done > 0,
      ),
    );
    server.faults = [];
    const events = await collectAll(api.followDownload({ id: job.id }));
    const done = events.at(-1) as Extract<DownloadEvent, { type: 'done' }>;
    expect(done).toMatchObject({ type: 'done', repo: 'org/oak' });
    expect((await api.openCheckpoint({ dir: done.dir })).name).toBe('org/oak');
    expect((await api.checkpoints({}))[0]).toMatchObject({ dir: done.dir, name: 'org/oak' });
    expect(await api.hubCached({})).toMatchObject([{ repo: 'org/oak', own: true, why: null }]);
    expect((await api.hubModel({ repo: 'org/oak' })).dir).toBe(done.dir);
    // who comes later hears the last of the bytes, and the end
    expect((await collectAll(api.followDownload({ id: job.id }))).length).toBe(2);
    expect(await errorCodeOf(api.startDownload({ repo: 'org/odd' }))).toBe('checkpoint/unknown-family');
    expect(await errorCodeOf(api.startDownload({ repo: '../odd' }))).toBe('hub/bad-name');
  });

  it('clicked twice is one job, and another commit of the same model waits for its end', async () => {
    const { api } = place.service;
    const main = server.models.get('org/oak')!.branches.get('main')!;
    const files = server.models.get('org/oak')!.commits.get(main)!;
    server.addCommit(
      'org/oak',
      { ...Object.fromEntries([...files].map(([path, { bytes }]) => [path, bytes])), 'README.md': 'other' },
      {},
      'other',
    );
    slow();
    const clicks = await Promise.all([1, 2, 3].map(() => api.startDownload({ repo: 'org/oak' })));
    expect(new Set(clicks.map((job) => job.id)).size).toBe(1);
    expect(await errorCodeOf(api.startDownload({ repo: 'org/oak', revision: 'other' }))).toBe('hub/already');
    server.faults = [];
    expect((await collectAll(api.followDownload({ id: clicks[0]!.id }))).at(-1)).toMatchObject({
      type: 'done',
      commit: main,
    });
    expect((await api.startDownload({ repo: 'org/oak', revision: 'other' })).state).toBe('running');
  });

  it('pauses, is picked up by another service after a restart, and cancelled leaves nothing', async () => {
    const { api } = place.service;
    slow();
    const job = await api.startDownload({ repo: 'org/oak' });
    await waitUntil(async () => ((await api.hubDownloads({}))[0]?.done ?? 0) > 20_000);
    await api.pauseDownload({ id: job.id });
    const [left] = await api.hubDownloads({});
    expect(left).toMatchObject({ repo: 'org/oak', state: 'paused', job: null });
    expect(await errorCodeOf(collectAll(api.followDownload({ id: job.id })))).toBe('cancelled');
    await place.service.close();
    const later = place.restart();
    expect(await later.api.hubDownloads({})).toEqual([left]);
    const second = await later.api.startDownload({ repo: left!.repo, revision: left!.commit });
    await waitUntil(async () => ((await later.api.hubDownloads({}))[0]?.done ?? 0) > left!.done);
    // Ending the service pauses: nothing is lost.
    await later.close();
    expect(second.state).toBe('running');
    const third = place.restart();
    const again = await third.api.startDownload({ repo: left!.repo, revision: left!.commit });
    await third.api.cancelJob({ id: again.id });
    expect(await third.api.hubDownloads({})).toEqual([]);
    expect(existsSync(join(cache, 'models--org--oak'))).toBe(false);
  });

  it('a paused download can be dropped', async () => {
    const { api } = place.service;
    slow();
    const job = await api.startDownload({ repo: 'org/oak' });
    await waitUntil(async () => ((await api.hubDownloads({}))[0]?.done ?? 0) > 0);
    await api.pauseDownload({ id: job.id });
    const [left] = await api.hubDownloads({});
    await api.dropDownload({ repo: left!.repo, commit: left!.commit });
    expect(await api.hubDownloads({})).toEqual([]);
  });

  it('stays awake while it fetches', async () => {
    const { api } = place.service;
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

  it('keeps a token that the Hub accepts, tells whose it is, and never tells it', async () => {
    const { api } = place.service;
    expect(await api.hubAccount({})).toMatchObject({
      from: null,
      name: null,
      error: null,
      keeps: 'memory',
      endpoint: server.endpoint,
      cache,
    });
    expect(await errorCodeOf(api.setHubToken({ token: 'hf_nobody' }))).toBe('hub/bad-token');
    expect(await api.hubAccount({})).toMatchObject({ from: null });
    const set = await api.setHubToken({ token: ` ${secret}\n` });
    expect(set).toMatchObject({ from: 'memory', name: 'me', write: true });
    expect(JSON.stringify(set)).not.toContain(secret);
    expect((await api.hubModel({ repo: 'org/gated' })).why).toBeNull();
    expect(await api.setHubToken({ token: null })).toMatchObject({ from: null });
    expect(await errorCodeOf(api.hubModel({ repo: 'org/gated' }))).toBe('hub/gated');
    mkdirSync(process.env['HF_HOME']!, { recursive: true });
    writeFileSync(join(process.env['HF_HOME']!, 'token'), `${secret}\n`);
    expect(await api.hubAccount({})).toMatchObject({ from: 'the token file', name: 'me' });
    process.env['HF_TOKEN'] = 'hf_wrong';
    expect(await api.hubAccount({})).toMatchObject({ from: 'HF_TOKEN', error: { code: 'hub/bad-token' } });
  });

  it('says so when a token was not copied whole, wherever it comes from', async () => {
    const { api } = place.service;
    await api.setHubToken({ token: secret });
    for (const token of [
      `${secret.slice(0, 6)}…${secret.slice(-4)}`,
      '••••••••',
      `${secret.slice(0, 9)}\n${secret.slice(9)}`,
      ' ',
    ]) {
      const said: unknown = await api.setHubToken({ token }).catch((error: unknown) => error);
      expect(said).toMatchObject({ code: 'hub/token-form' });
      expect(String(said)).not.toContain(secret.slice(-4));
    }
    expect(await api.hubAccount({})).toMatchObject({ from: 'memory', name: 'me' });
    await api.setHubToken({ token: null });
    mkdirSync(process.env['HF_HOME']!, { recursive: true });
    writeFileSync(join(process.env['HF_HOME']!, 'token'), `${secret}\n${secret}\n`);
    expect(await api.hubAccount({})).toMatchObject({
      from: 'the token file',
      name: null,
      error: { code: 'hub/token-form' },
    });
    process.env['HF_TOKEN'] = 'hf_…';
    expect(await api.hubAccount({})).toMatchObject({
      from: 'HF_TOKEN',
      name: null,
      error: { code: 'hub/token-form' },
    });
    expect(await errorCodeOf(api.hubModel({ repo: 'org/oak' }))).toBe('hub/token-form');
  });

  it('pushes an export as a job, after telling what would go', async () => {
    const { api } = place.service;
    const dir = await makeTinyCheckpoint('gpt2', { dir: join(place.dir, 'grown'), tokenizer: true, seed: 9 });
    expect(await errorCodeOf(api.planPush({ dir, repo: 'grown' }))).toBe('hub/no-token');
    process.env['HF_TOKEN'] = secret;
    const plan = await api.planPush({ dir, repo: 'grown' });
    expect(plan).toMatchObject({ repo: 'me/grown', exists: false, private: true });
    const job = await api.startPush({ dir, repo: 'grown', private: true });
    expect((await collectAll(api.followPush({ id: job.id }))).at(-1)).toMatchObject({
      type: 'done',
      repo: 'me/grown',
      private: true,
    });
    expect(server.pushes.at(-1)!.files.size).toBe(plan.files.length);
    expect((await api.planPush({ dir, repo: 'grown' })).exists).toBe(true);
  });

  it('writes the token into no file, event, card or error', async () => {
    process.env['HF_TOKEN'] = secret;
    const { api } = place.service;
    const told: unknown[] = [];
    const job = await api.startDownload({ repo: 'org/gated' });
    told.push(
      job,
      await collectAll(api.followDownload({ id: job.id })),
      await api.jobs({}),
      await api.hubCached({}),
      await api.hubModel({ repo: 'org/gated' }),
      await api.hubAccount({}),
    );
    server.faults = [{ match: /GET hub/, times: 99, status: 400, json: { error: `you sent ${secret}` } }];
    told.push(
      await api
        .hubModel({ repo: 'org/gated' })
        .catch((error: unknown) => [String(error), (error as { detail: unknown }).detail]),
    );
    server.faults = [];
    const command = await cambium(['download', 'org/gated', '--json']);
    told.push(command.out, command.err);
    expect(JSON.stringify(told)).toContain('you sent …');
    expect(JSON.stringify(told)).not.toContain(secret.slice(3));
    expect(everything(place.dir)).not.toContain(secret.slice(3));
  });
});

describe('commands', () => {
  it('search lists what can be grown, and with --all why not', async () => {
    const { out } = await cambium(['search', '--sort', 'downloads']);
    expect(out).toContain('org/oak');
    expect(out).not.toContain('org/odd');
    expect((await cambium(['search', 'org/odd', '--all'])).out).toContain('Cambium does not support the model_type');
    expect(((await cambium(['search', '--most', '1', '--json'])).last()['hits'] as unknown[]).length).toBe(0);
    expect((await cambium(['search', '--family', 'cat'])).code).toBe(2);
  });

  it('download checks without fetching, fetches, and is whole the second time at once', async () => {
    const check = await cambium(['download', 'org/oak', '--check']);
    expect(check.code).toBe(0);
    expect(check.out).toContain('Can be grown.');
    expect(existsSync(cache)).toBe(false);
    const { code, last } = await cambium(['download', 'org/oak@main', '--json']);
    expect(code).toBe(0);
    expect(existsSync(join(String(last()['dir']), 'config.json'))).toBe(true);
    server.requests.length = 0;
    expect((await cambium(['download', `org/oak@${String(last()['commit'])}`])).out).toContain(
      'every hash checked',
    );
    expect(server.requests).toEqual([]);
    expect((await cambium(['download', 'org/odd'])).code).toBe(1);
    expect((await cambium(['download', 'org/odd', '--anyway'])).code).toBe(0);
    expect((await cambium(['download', 'org/gated'])).err).toContain(`${server.endpoint}/org/gated`);
  });

  it('download pauses at Ctrl+C, with 130, and goes on with the same command', async () => {
    slow();
    const stop = new AbortController();
    const work = cambium(['download', 'org/oak', '--json'], stop.signal);
    await waitUntil(
      () =>
        existsSync(join(cache, 'models--org--oak', 'blobs')) &&
        readdirSync(join(cache, 'models--org--oak', 'blobs')).length > 0,
    );
    stop.abort();
    const { code, last } = await work;
    expect(code).toBe(130);
    expect(last()).toMatchObject({ paused: true });
    server.faults = [];
    expect((await cambium(['download', 'org/oak'])).code).toBe(0);
  });

  it('push lists with --dry-run, and pushes', async () => {
    process.env['HF_TOKEN'] = secret;
    const dir = await makeTinyCheckpoint('gpt2', { dir: join(place.dir, 'mine'), tokenizer: true, seed: 12 });
    const dry = await cambium(['push', dir, 'mine', '--dry-run']);
    expect(dry.out).toContain('model.safetensors');
    expect(server.models.has('me/mine')).toBe(false);
    const { code, out } = await cambium(['push', dir, 'mine']);
    expect(code).toBe(0);
    expect(out).toContain(`${server.endpoint}/me/mine (private)`);
    expect(server.models.get('me/mine')!.private).toBe(true);
  });
});
