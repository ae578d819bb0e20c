import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../entry/node/run-command.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { collectAll, errorCodeOf } from '../support/test-service.ts';
import { accessToken, useHub } from './hub-fixture.ts';

const useFixture = useHub();

const writeTokenFile = (text: string): void => {
  const folder = process.env['HF_HOME']!;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'token'), text);
};

/** The names and contents of all files below `dir`. */
const readTree = (dir: string): string =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name} ${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n');

describe('search', () => {
  it('lists models that can be grown', async () => {
    const { api } = useFixture().app.service;
    const search = {
      query: '',
      sort: 'downloads',
      family: '',
      minParameters: null,
      maxParameters: null,
      licence: '',
      all: false,
      from: null,
    } as const;
    const { hits } = await api.hubSearch(search);
    expect(hits.map((hit) => hit.repo)).toEqual(['org/oak', 'org/gated']);
  });
});

describe('a model', () => {
  it('is compared with this computer', async () => {
    const { api } = useFixture().app.service;
    const model = await api.hubModel({ repo: 'org/oak' });
    const { repo, licence, why, dir, needed, bytes } = model;
    expect({ repo, licence, why, dir }).toEqual({ repo: 'org/oak', licence: 'mit', why: null, dir: null });
    expect(needed).toBe(bytes);
    expect(model.free).toBeGreaterThan(model.needed);
    const doubled = model.doubled!;
    expect(doubled.sizes['hidden']).toEqual([64, 128]);
    expect(doubled.parameters).toBeGreaterThan(2 * model.card!.parameters);
    expect(doubled.disk).toBe(4 * doubled.parameters);
    expect(doubled.train).toBe(16 * doubled.parameters);
  });

  it('comes with the reason if it cannot be grown', async () => {
    const { api } = useFixture().app.service;
    const { why } = await api.hubModel({ repo: 'org/odd' });
    expect(why).toMatchObject({ code: 'checkpoint/unknown-family' });
  });
});

describe('the access token', () => {
  it('is stored only if the Hub accepts it, and is never returned', async () => {
    const { app, server, cache } = useFixture();
    const { api } = app.service;
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
    const account = await api.setHubToken({ token: ` ${accessToken}\n` });
    expect(account).toMatchObject({ from: 'memory', name: 'me', write: true });
    expect(JSON.stringify(account)).not.toContain(accessToken);
    expect((await api.hubModel({ repo: 'org/gated' })).why).toBeNull();
    expect(await api.setHubToken({ token: null })).toMatchObject({ from: null });
    expect(await errorCodeOf(api.hubModel({ repo: 'org/gated' }))).toBe('hub/gated');
  });

  it('is read from the token file and from HF_TOKEN', async () => {
    const { api } = useFixture().app.service;
    writeTokenFile(`${accessToken}\n`);
    expect(await api.hubAccount({})).toMatchObject({ from: 'the token file', name: 'me' });
    process.env['HF_TOKEN'] = 'hf_wrong';
    expect(await api.hubAccount({})).toMatchObject({ from: 'HF_TOKEN', error: { code: 'hub/bad-token' } });
  });

  it('is refused if it is incomplete, wherever it comes from', async () => {
    const { api } = useFixture().app.service;
    await api.setHubToken({ token: accessToken });
    for (const token of [
      `${accessToken.slice(0, 6)}…${accessToken.slice(-4)}`,
      '••••••••',
      `${accessToken.slice(0, 9)}\n${accessToken.slice(9)}`,
      ' ',
    ]) {
      const error: unknown = await api.setHubToken({ token }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'hub/token-form' });
      expect(String(error)).not.toContain(accessToken.slice(-4));
    }
    expect(await api.hubAccount({})).toMatchObject({ from: 'memory', name: 'me' });
    await api.setHubToken({ token: null });
    const refused = { name: null, error: { code: 'hub/token-form' } };
    writeTokenFile(`${accessToken}\n${accessToken}\n`);
    expect(await api.hubAccount({})).toMatchObject({ from: 'the token file', ...refused });
    process.env['HF_TOKEN'] = 'hf_…';
    expect(await api.hubAccount({})).toMatchObject({ from: 'HF_TOKEN', ...refused });
    expect(await errorCodeOf(api.hubModel({ repo: 'org/oak' }))).toBe('hub/token-form');
  });

  it('appears in no file, event, summary or error', async () => {
    process.env['HF_TOKEN'] = accessToken;
    const { app, server, recover } = useFixture();
    const { api } = app.service;
    const job = await api.startDownload({ repo: 'org/gated' });
    const results: unknown[] = [
      job,
      await collectAll(api.followDownload({ id: job.id })),
      await api.jobs({}),
      await api.hubCached({}),
      await api.hubModel({ repo: 'org/gated' }),
      await api.hubAccount({}),
    ];
    const error = `you sent ${accessToken}`;
    server.faults = [{ match: /GET hub/, times: 99, status: 400, json: { error } }];
    const failed = await api.hubModel({ repo: 'org/gated' }).catch((thrown: unknown) => thrown);
    results.push(String(failed), (failed as { detail: unknown }).detail);
    recover();
    const { out, err } = await runCommand(app, ['download', 'org/gated', '--json']);
    results.push(out, err);
    const secret = accessToken.slice(3);
    expect(JSON.stringify(results)).toContain('you sent …');
    expect(JSON.stringify(results)).not.toContain(secret);
    expect(readTree(app.dir)).not.toContain(secret);
  });
});

describe('a push', () => {
  it('is planned, and then uploads the planned files as a job', async () => {
    const { app, server } = useFixture();
    const { api } = app.service;
    const dir = await makeTinyCheckpoint('gpt2', { dir: join(app.dir, 'grown'), tokenizer: true, seed: 9 });
    expect((await api.planPush({ dir, repo: 'grown' })).blocker?.code).toBe('hub/no-token');
    expect(await errorCodeOf(api.startPush({ dir, repo: 'grown', private: true }))).toBe('hub/no-token');
    process.env['HF_TOKEN'] = accessToken;
    const plan = await api.planPush({ dir, repo: 'grown' });
    expect(plan).toMatchObject({ repo: 'me/grown', exists: false, private: true });
    const job = await api.startPush({ dir, repo: 'grown', private: true });
    const events = await collectAll(api.followPush({ id: job.id }));
    expect(events.at(-1)).toMatchObject({ type: 'done', repo: 'me/grown', private: true });
    expect(server.pushes.at(-1)!.files.size).toBe(plan.files.length);
    expect((await api.planPush({ dir, repo: 'grown' })).exists).toBe(true);
  });
});
