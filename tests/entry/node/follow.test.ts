import { describe, expect, it, onTestFinished } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import type { JobSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { followJob } from '../../../src-main/entry/node/follow.ts';
import { errorCodeOf } from '../../support/test-service.ts';

describe('following a job', () => {
  it('ends with what its events end with, also where the request to cancel finds the connection gone', async () => {
    const lost: unknown[] = [];
    const note = (error: unknown): void => {
      lost.push(error);
    };
    const stop = new AbortController();
    process.on('unhandledRejection', note);
    onTestFinished(() => {
      process.off('unhandledRejection', note);
    });
    const api = { cancelJob: () => Promise.reject(createError('rpc/closed', {})) } as unknown as Service;
    const events = (async function* () {
      yield 1;
      stop.abort();
      await new Promise((r) => {
        setTimeout(r, 20);
      });
      throw createError('rpc/closed', {});
    })();
    expect(await errorCodeOf(followJob(api, { id: 'a' } as JobSummary, events, stop.signal, () => undefined))).toBe(
      'rpc/closed',
    );
    expect(lost).toEqual([]);
  });
});
