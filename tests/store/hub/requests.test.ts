/** @file A request to the Hub that is no longer wanted: it ends at once, wherever it is. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fileAddress } from '../../../src-main/store/hub/model.ts';
import { refusal } from '../../support/refusal.ts';
import { client, server, withServer } from './workbench.ts';

withServer();
const repo = 'org/small';
const shard = (): string =>
  fileAddress(client(), repo, server.models.get(repo)!.branches.get('main')!, 'model.safetensors');
beforeEach(() => {
  server.seen.length = 0;
});
afterEach(() => {
  server.faults = [];
});

it('is not made when its signal has come before it', async () => {
  await refusal('cancelled', () => client().ask(shard(), { signal: AbortSignal.abort() }));
  expect(server.seen).toEqual([]);
});

it('ends between two addresses of its way', async () => {
  const stop = new AbortController();
  await refusal('cancelled', () =>
    client().ask(shard(), { signal: stop.signal }, {}, () => {
      stop.abort();
    }),
  );
  expect(server.seen.map(({ at }) => at)).toEqual(['hub']);
});

it('ends while its body comes', async () => {
  const stop = new AbortController();
  server.faults = [{ on: /GET cdn/, times: 1, slow: 200 }];
  const body = await client().ask(shard(), { signal: stop.signal });
  const since = performance.now();
  stop.abort();
  await expect(body.arrayBuffer()).rejects.toThrow();
  expect(performance.now() - since).toBeLessThan(1000);
});
