import { describe, expect, it } from 'vitest';
import { searchHub, type HubSearch } from '../../../src-main/store/hub/search.ts';
import { tinyConfig } from '../../support/tiny.ts';
import { addInvalidModels, createClient, server, useLocalHub } from './local-hub.ts';

useLocalHub();
const anyModel: HubSearch = {
  query: '',
  sort: 'downloads',
  family: '',
  minParameters: null,
  maxParameters: null,
  licence: '',
  all: false,
  from: null,
};

describe('searchHub', () => {
  it('sorts and filters, and by default finds only models that can be grown', async () => {
    addInvalidModels();
    const hub = createClient();
    const findNames = async (more: Partial<HubSearch>): Promise<string[]> =>
      (await searchHub(hub, { ...anyModel, ...more })).hits.map((hit) => hit.repo);
    expect(await findNames({ query: 'org/' })).toEqual(['org/sharded', 'org/small', 'org/gated']);
    expect(await findNames({ query: 'org/', sort: 'likes' })).toEqual([
      'org/small',
      'org/sharded',
      'org/gated',
    ]);
    expect(await findNames({ query: 'org/', family: 'gpt2' })).toEqual(['org/sharded']);
    expect(await findNames({ query: 'org/', licence: 'apache-2.0' })).toEqual(['org/small']);
    const { hits } = await searchHub(hub, { ...anyModel, query: 'org/small' });
    const small = hits[0]!.parameters!;
    expect(await findNames({ query: 'org/', maxParameters: small })).not.toContain('org/sharded');
    expect(await findNames({ query: 'org/', minParameters: small + 1 })).toEqual(['org/sharded']);
    const invalid = (await searchHub(hub, { ...anyModel, query: 'bad/', all: true })).hits;
    const codes = Object.fromEntries(invalid.map((hit) => [hit.repo.slice(4), hit.why?.code]));
    expect(codes).toMatchObject({
      type: 'checkpoint/unknown-family',
      pickle: 'checkpoint/pickle-only',
      quantized: 'checkpoint/quantized',
    });
    expect(await findNames({ query: 'bad/quantized' })).toEqual([]);
  });

  it('continues where the previous page ended, and finds each model once', async () => {
    for (let i = 0; i < 47; i++)
      server.addCommit(
        `many/m${i}`,
        {
          'config.json': JSON.stringify(tinyConfig('llama')),
          'model.safetensors': Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
        },
        { downloads: 1000 - i },
      );
    server.pageSize = 7;
    const hub = createClient();
    const names: string[] = [];
    let from: string | null = null;
    let pages = 0;
    do {
      const page: Awaited<ReturnType<typeof searchHub>> = await searchHub(hub, {
        ...anyModel,
        query: 'many/',
        from,
      });
      names.push(...page.hits.map((hit) => hit.repo));
      from = page.next;
      pages++;
    } while (from !== null);
    server.pageSize = 50;
    expect(names).toEqual(Array.from({ length: 47 }, (_, i) => `many/m${i}`));
    expect(pages).toBe(3);
  });
});
