import { expect, it, onTestFinished } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import type { JobSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { followJob } from '../../../src-main/entry/node/follow.ts';
import { errorCodeOf } from '../../support/test-service.ts';

it('followJob throws the error of its events, even if the job cannot be cancelled', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', onUnhandled);
  onTestFinished(() => {
    process.off('unhandledRejection', onUnhandled);
  });
  const closed = createError('rpc/closed', {});
  const api = { cancelJob: () => Promise.reject(closed) } as unknown as Service;
  const controller = new AbortController();
  async function* createEvents(): AsyncGenerator<number> {
    yield 1;
    controller.abort();
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    throw closed;
  }
  const job = { id: 'a' } as JobSummary;
  const following = followJob(api, job, createEvents(), controller.signal, () => undefined);
  expect(await errorCodeOf(following)).toBe('rpc/closed');
  expect(unhandled).toEqual([]);
});
