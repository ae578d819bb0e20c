import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getFileUrl } from '../../../src-main/store/hub/ranges.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { createClient, server, useLocalHub } from './local-hub.ts';

useLocalHub();
const repo = 'org/small';
const getShardUrl = (): string => {
  const commit = server.models.get(repo)!.branches.get('main')!;
  return getFileUrl(createClient(), repo, commit, 'model.safetensors');
};
beforeEach(() => {
  server.requests.length = 0;
});
afterEach(() => {
  server.faults = [];
});

describe('a request to the Hub', () => {
  it('is not sent when its signal is already aborted', async () => {
    const signal = AbortSignal.abort();
    await expectAppError('cancelled', () => createClient().request(getShardUrl(), { signal }));
    expect(server.requests).toEqual([]);
  });

  it('does not follow a redirect after an abort', async () => {
    const stop = new AbortController();
    await expectAppError('cancelled', () =>
      createClient().request(getShardUrl(), { signal: stop.signal }, {}, () => {
        stop.abort();
      }),
    );
    expect(server.requests.map((request) => request.server)).toEqual(['hub']);
  });

  it('aborts while its body arrives', async () => {
    const stop = new AbortController();
    server.faults = [{ match: /GET cdn/, times: 1, chunkDelayMs: 200 }];
    const response = await createClient().request(getShardUrl(), { signal: stop.signal });
    const start = performance.now();
    stop.abort();
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
