import { describe, expect, it } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { follow } from '../../../src-renderer/state/follow.ts';

describe('follow', () => {
  it('opens the stream again after a lost connection', async () => {
    const received: number[] = [];
    let openCount = 0;
    await follow(
      async function* () {
        openCount++;
        for (let i = 0; i < 5; i++) {
          if (i === 3 && openCount === 1) throw createError('rpc/closed', {});
          yield i;
        }
      },
      (n) => {
        received.push(n);
      },
      () => Promise.resolve(),
      new AbortController().signal,
    );
    expect(openCount).toBe(2);
    expect(received).toEqual([0, 1, 2, 0, 1, 2, 3, 4]);
  });
  it('throws any other error', async () => {
    await expect(
      follow(
        async function* (): AsyncIterable<number> {
          throw createError('run/not-found', { run: 'x' });
        },
        () => undefined,
        () => Promise.resolve(),
        new AbortController().signal,
      ),
    ).rejects.toMatchObject({ code: 'run/not-found' });
  });
  it('stops when its signal aborts', async () => {
    const aborter = new AbortController();
    const received: number[] = [];
    await follow(
      async function* () {
        for (let i = 0; ; i++) yield i;
      },
      (n) => {
        received.push(n);
        if (n === 4) aborter.abort();
      },
      () => Promise.resolve(),
      aborter.signal,
    );
    expect(received).toEqual([0, 1, 2, 3, 4]);
  });
});
