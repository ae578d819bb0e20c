import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { downloadSnapshot } from '../../../src-main/store/hub/download.ts';
import { judgeModel } from '../../../src-main/store/hub/model.ts';
import { searchHub, type Search } from '../../../src-main/store/hub/search.ts';
import { readRepo } from '../../../src-main/store/hub/settings.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint, tinyConfig } from '../../support/tiny.ts';
import { client, secret, server, withServer } from './workbench.ts';

withServer();
const all: Search = {
  query: '',
  sort: 'downloads',
  family: '',
  least: null,
  most: null,
  licence: '',
  all: false,
  from: null,
};

describe('a model of the Hub', () => {
  it.each(['org/small', 'org/sharded'])(
    '%s is judged from config.json and headers as its folder is when it is here, and no weight is read',
    async (repo) => {
      const hub = client();
      server.seen.length = 0;
      const { card, why, files, commit, bytes, skipped, ...rest } = await judgeModel(hub, repo);
      expect(why).toBeNull();
      expect(commit).toBe(server.models.get(repo)!.branches.get('main'));
      expect(rest).toMatchObject({ repo, gated: false, private: false, url: `${server.endpoint}/${repo}` });
      expect(files.map((file) => file.path)).not.toContain('pytorch_model.bin');
      expect(skipped.files).toBeGreaterThan(0);
      expect(bytes).toBe(files.reduce((n, file) => n + file.bytes, 0));
      const weights = server.seen.filter(({ path, at }) => at === 'cdn' && path.startsWith('/blob'));
      expect(weights.length).toBeGreaterThan(0);
      expect(weights.every(({ range }) => /^bytes=0-\d+$/.test(range ?? ''))).toBe(true);
      const { card: local } = await openCheckpoint(
        await downloadSnapshot(hub, { repo, revision: 'main', commit, files }),
      );
      expect({ ...card, dir: '', tokenizer: null }).toEqual({
        ...local,
        dir: '',
        tokenizer: null,
        name: repo,
      });
    },
  );

  it('says in one line why it cannot be grown', async () => {
    const weights = { 'model.safetensors': Buffer.from('0000000000000000') };
    const config = tinyConfig('llama');
    server.add('bad/type', { 'config.json': JSON.stringify({ model_type: 'mamba' }), ...weights });
    server.add('bad/pickle', { 'config.json': JSON.stringify(config), 'pytorch_model.bin': 'x' });
    server.add('bad/adapter', { 'adapter_config.json': '{}', 'adapter_model.safetensors': 'x' });
    server.add('bad/quantized', {
      'config.json': JSON.stringify({ ...config, quantization_config: { quant_method: 'gptq' } }),
      ...weights,
    });
    server.add('bad/header', { 'config.json': JSON.stringify(config), ...weights });
    server.add('bad/json', { 'config.json': '{', ...weights });
    server.add('bad/empty', { 'README.md': 'x' });
    server.add('bad/shard', {
      'config.json': JSON.stringify(config),
      'model.safetensors.index.json': JSON.stringify({ weight_map: { a: 'x-1.safetensors' } }),
    });
    const hub = client();
    const codeOf = async (repo: string): Promise<string | undefined> =>
      (await judgeModel(hub, repo)).why?.code;
    expect(
      await Promise.all(
        ['type', 'pickle', 'adapter', 'quantized', 'header', 'json', 'empty', 'shard'].map((name) =>
          codeOf(`bad/${name}`),
        ),
      ),
    ).toEqual([
      'checkpoint/unknown-family',
      'checkpoint/pickle-only',
      'checkpoint/adapter',
      'checkpoint/quantized',
      'safetensors/bad-header',
      'file/bad-json',
      'checkpoint/no-config',
      'checkpoint/missing-shard',
    ]);
  });

  it('compares a tied head that is stored twice by its first bytes', async () => {
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
    expect((await judgeModel(client(), 'bad/tied')).why).toMatchObject({
      code: 'checkpoint/bad-config',
      detail: { key: 'tie_word_embeddings' },
    });
  });

  it('is pinned: a branch means its commit, a commit itself', async () => {
    const hub = client();
    const old = (await judgeModel(hub, 'org/small')).commit;
    server.add('org/moving', { 'config.json': '{}' });
    const first = (await judgeModel(hub, 'org/moving')).commit;
    const second = server.add('org/moving', { 'config.json': '{ }' });
    expect((await judgeModel(hub, 'org/moving')).commit).toBe(second);
    expect((await judgeModel(hub, 'org/moving', first)).commit).toBe(first);
    expect(old).not.toBe(second);
    await refusal('hub/no-revision', () => judgeModel(hub, 'org/moving', 'nowhere'));
    await refusal('hub/no-repo', () => judgeModel(hub, 'org/nothing'));
    await refusal('hub/no-repo', () => judgeModel(client(secret), 'org/nothing'));
  });

  it('says how to get access when it is gated, and is judged with a token that has it', async () => {
    const { detail, message } = await refusal('hub/gated', () => judgeModel(client(), 'org/gated'));
    expect(detail).toEqual({ repo: 'org/gated', url: `${server.endpoint}/org/gated`, token: false });
    expect(message).toContain(`${server.endpoint}/org/gated`);
    await refusal('hub/gated', () => judgeModel(client('hf_reader'), 'org/gated'));
    expect(await judgeModel(client(secret), 'org/gated')).toMatchObject({ gated: 'manual', why: null });
    await refusal('hub/bad-token', () => judgeModel(client('hf_wrong'), 'org/gated'));
  });

  it('is not asked for when HF_HUB_OFFLINE is set', async () => {
    server.seen.length = 0;
    await refusal('hub/offline', () => judgeModel(client(null, {}, { HF_HUB_OFFLINE: '1' }), 'org/small'));
    expect(server.seen).toEqual([]);
  });

  it('is waited for while the server is busy, and told when it stays so', async () => {
    const hub = client();
    server.faults = [
      { on: /GET hub \/api\/models/, times: 1, status: 429, headers: { 'Retry-After': '1' } },
      { on: /GET hub \/api\/models/, times: 2, status: 503 },
    ];
    const since = performance.now();
    expect((await judgeModel(hub, 'org/small')).why).toBeNull();
    expect(performance.now() - since).toBeGreaterThan(900);
    server.faults = [{ on: /./, times: 99, status: 502 }];
    await refusal('hub/down', () => judgeModel(hub, 'org/small'));
    server.faults = [{ on: /./, times: 99, status: 429, headers: { 'Retry-After': '3600' } }];
    expect((await refusal('hub/too-many', () => judgeModel(hub, 'org/small'))).message).toContain(
      'Wait 3600 seconds',
    );
    server.faults = [{ on: /./, times: 99, stall: true }];
    await refusal('hub/unreachable', () =>
      judgeModel(client(null, { silence: 30, attempts: 2 }), 'org/small'),
    );
    server.faults = [];
    await refusal('hub/unreachable', () =>
      judgeModel(client(null, {}, { HF_ENDPOINT: 'http://127.0.0.1:1' }), 'org/small'),
    );
  });

  it('answers of another shape are refused by name', async () => {
    server.faults = [{ on: /revision/, times: 1, status: 200, json: { hello: 1 } }];
    await refusal('hub/answer', () => judgeModel(client(), 'org/small'));
    server.faults = [];
  });
});

describe('searching', () => {
  it('sorts, filters, and offers only what can be grown', async () => {
    const hub = client();
    const names = async (more: Partial<Search>): Promise<string[]> =>
      (await searchHub(hub, { ...all, ...more })).hits.map((hit) => hit.repo);
    expect(await names({ query: 'org/' })).toEqual(['org/sharded', 'org/small', 'org/gated']);
    expect(await names({ query: 'org/', sort: 'likes' })).toEqual(['org/small', 'org/sharded', 'org/gated']);
    expect(await names({ query: 'org/', family: 'gpt2' })).toEqual(['org/sharded']);
    expect(await names({ query: 'org/', licence: 'apache-2.0' })).toEqual(['org/small']);
    const { hits } = await searchHub(hub, { ...all, query: 'org/small' });
    const small = hits[0]!.parameters!;
    expect(await names({ query: 'org/', most: small })).not.toContain('org/sharded');
    expect(await names({ query: 'org/', least: small + 1 })).toEqual(['org/sharded']);
    const bad = (await searchHub(hub, { ...all, query: 'bad/', all: true })).hits;
    expect(Object.fromEntries(bad.map((hit) => [hit.repo.slice(4), hit.why?.code]))).toMatchObject({
      type: 'checkpoint/unknown-family',
      pickle: 'checkpoint/pickle-only',
      quantized: 'checkpoint/quantized',
    });
    expect(await names({ query: 'bad/quantized' })).toEqual([]);
  });

  it('goes on where a page ended, each model once', async () => {
    for (let i = 0; i < 47; i++)
      server.add(
        `many/m${i}`,
        {
          'config.json': JSON.stringify(tinyConfig('llama')),
          'model.safetensors': Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
        },
        { downloads: 1000 - i },
      );
    server.pageSize = 7;
    const hub = client();
    const found: string[] = [];
    let from: string | null = null;
    let pages = 0;
    do {
      const page: Awaited<ReturnType<typeof searchHub>> = await searchHub(hub, {
        ...all,
        query: 'many/',
        from,
      });
      found.push(...page.hits.map((hit) => hit.repo));
      from = page.next;
      pages++;
    } while (from !== null);
    server.pageSize = 50;
    expect(found).toEqual(Array.from({ length: 47 }, (_, i) => `many/m${i}`));
    expect(pages).toBe(3);
  });
});

describe('names', () => {
  it('of repositories are read with their revision; what could leave a folder is refused', async () => {
    expect(readRepo('org/name@main')).toEqual({ repo: 'org/name', revision: 'main' });
    expect(readRepo(' https://huggingface.co/org/name/ ')).toEqual({ repo: 'org/name', revision: undefined });
    expect(readRepo('name').repo).toBe('name');
    for (const bad of [
      '',
      '../x',
      'a/b/c',
      'a/..',
      'a b/c',
      'a--b/c',
      'org/name@../x',
      'org/na\\me',
      'org/x.git',
      'org/name@',
    ])
      await refusal('hub/bad-name', () => readRepo(bad));
  });
});
