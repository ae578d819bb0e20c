import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { downloadSnapshot } from '../../../src-main/store/hub/download.ts';
import { inspectModel } from '../../../src-main/store/hub/model.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyConfig } from '../../support/tiny.ts';
import { addInvalidModels, createClient, server, useLocalHub, writeToken } from './local-hub.ts';

useLocalHub();

describe('inspectModel', () => {
  it.each(['org/small', 'org/sharded'])(
    'describes %s like its downloaded folder, from config.json and headers alone',
    async (repo) => {
      const hub = createClient();
      server.requests.length = 0;
      const { card, why, files, commit, bytes, skipped, ...rest } = await inspectModel(hub, repo);
      expect(why).toBeNull();
      expect(commit).toBe(server.models.get(repo)!.branches.get('main'));
      expect(rest).toMatchObject({ repo, gated: false, private: false, url: `${server.endpoint}/${repo}` });
      expect(files.map((file) => file.path)).not.toContain('pytorch_model.bin');
      expect(skipped.files).toBeGreaterThan(0);
      expect(bytes).toBe(files.reduce((n, file) => n + file.bytes, 0));
      const weights = server.requests.filter(
        (request) => request.server === 'cdn' && request.path.startsWith('/blob'),
      );
      expect(weights.length).toBeGreaterThan(0);
      expect(weights.every(({ range }) => /^bytes=0-\d+$/.test(range ?? ''))).toBe(true);
      const dir = await downloadSnapshot(hub, { repo, revision: 'main', commit, files });
      const { summary } = await openCheckpoint(dir);
      const ignored = { dir: '', tokenizer: null };
      expect({ ...card, ...ignored }).toEqual({ ...summary, ...ignored, name: repo });
    },
  );

  it('says why a model cannot be grown', async () => {
    const expected = addInvalidModels();
    const hub = createClient();
    const codes: Record<string, string | undefined> = {};
    for (const name of Object.keys(expected))
      codes[name] = (await inspectModel(hub, `bad/${name}`)).why?.code;
    expect(codes).toEqual(expected);
  });

  it('compares the first values of a tied head that is stored too', async () => {
    const dir = await makeTinyCheckpoint('gpt2', {
      dir: `${freshFolder()}/untied`,
      settings: { tied: false },
    });
    server.addFolder(
      'bad/tied',
      dir,
      {},
      { 'config.json': JSON.stringify(tinyConfig('gpt2', { settings: { tied: true } })) },
    );
    const { why, card } = await inspectModel(createClient(), 'bad/tied');
    expect([why, card?.tied]).toEqual([null, false]);
    expect(card!.notes![0]).toContain('lm_head.weight differs from transformer.wte.weight');
  });

  it('pins a branch to its commit, and refuses unknown revisions and models', async () => {
    const hub = createClient();
    const old = (await inspectModel(hub, 'org/small')).commit;
    server.addCommit('org/moving', { 'config.json': '{}' });
    const first = (await inspectModel(hub, 'org/moving')).commit;
    const second = server.addCommit('org/moving', { 'config.json': '{ }' });
    expect((await inspectModel(hub, 'org/moving')).commit).toBe(second);
    expect((await inspectModel(hub, 'org/moving', first)).commit).toBe(first);
    expect(old).not.toBe(second);
    await expectAppError('hub/no-revision', () => inspectModel(hub, 'org/moving', 'nowhere'));
    await expectAppError('hub/no-repo', () => inspectModel(hub, 'org/nothing'));
    await expectAppError('hub/no-repo', () => inspectModel(createClient(writeToken), 'org/nothing'));
  });

  it('says how to get access to a gated model, and inspects it with a token that has access', async () => {
    const { detail, message } = await expectAppError('hub/gated', () =>
      inspectModel(createClient(), 'org/gated'),
    );
    expect(detail).toEqual({ repo: 'org/gated', url: `${server.endpoint}/org/gated`, token: false });
    expect(message).toContain(`${server.endpoint}/org/gated`);
    await expectAppError('hub/gated', () => inspectModel(createClient('hf_reader'), 'org/gated'));
    expect(await inspectModel(createClient(writeToken), 'org/gated')).toMatchObject({
      gated: 'manual',
      why: null,
    });
    await expectAppError('hub/bad-token', () => inspectModel(createClient('hf_wrong'), 'org/gated'));
  });

  it('sends no request when HF_HUB_OFFLINE is set', async () => {
    server.requests.length = 0;
    await expectAppError('hub/offline', () =>
      inspectModel(createClient(null, {}, { HF_HUB_OFFLINE: '1' }), 'org/small'),
    );
    expect(server.requests).toEqual([]);
  });

  it('retries while the server is busy or silent, and then refuses', async () => {
    const hub = createClient();
    server.faults = [
      { match: /GET hub \/api\/models/, times: 1, status: 429, headers: { 'Retry-After': '1' } },
      { match: /GET hub \/api\/models/, times: 2, status: 503 },
    ];
    const start = performance.now();
    expect((await inspectModel(hub, 'org/small')).why).toBeNull();
    expect(performance.now() - start).toBeGreaterThan(900);
    server.faults = [{ match: /./, times: 99, status: 502 }];
    await expectAppError('hub/down', () => inspectModel(hub, 'org/small'));
    server.faults = [{ match: /./, times: 99, status: 429, headers: { 'Retry-After': '3600' } }];
    expect((await expectAppError('hub/too-many', () => inspectModel(hub, 'org/small'))).message).toContain(
      'Try again in 3600 seconds',
    );
    server.faults = [{ match: /./, times: 99, stall: true }];
    await expectAppError('hub/unreachable', () =>
      inspectModel(createClient(null, { timeout: 30, attempts: 2 }), 'org/small'),
    );
    server.faults = [];
    await expectAppError('hub/unreachable', () =>
      inspectModel(createClient(null, {}, { HF_ENDPOINT: 'http://127.0.0.1:1' }), 'org/small'),
    );
  });

  it('refuses a response of an unexpected shape', async () => {
    server.faults = [{ match: /revision/, times: 1, status: 200, json: { hello: 1 } }];
    await expectAppError('hub/answer', () => inspectModel(createClient(), 'org/small'));
    server.faults = [];
  });
});
