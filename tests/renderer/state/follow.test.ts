import { describe, expect, it } from 'vitest';
import { appError } from '../../../src-main/base/errors.ts';
import { follow } from '../../../src-renderer/state/follow.ts';
import { Asked } from '../../../src-renderer/state/asked.svelte.ts';

describe('follow', () => {
  it('opens the stream again after a lost connection', async () => {
    const taken: number[] = [];
    let opened = 0;
    await follow(
      async function* () {
        opened++;
        for (let i = 0; i < 5; i++) {
          if (i === 3 && opened === 1) throw appError('rpc/closed', {});
          yield i;
        }
      },
      (n) => {
        taken.push(n);
      },
      () => Promise.resolve(),
      new AbortController().signal,
    );
    expect(opened).toBe(2);
    expect(taken).toEqual([0, 1, 2, 0, 1, 2, 3, 4]);
  });
  it('passes other errors on', async () => {
    await expect(
      follow(
        async function* (): AsyncIterable<number> {
          throw appError('run/not-found', { run: 'x' });
        },
        () => undefined,
        () => Promise.resolve(),
        new AbortController().signal,
      ),
    ).rejects.toMatchObject({ code: 'run/not-found' });
  });
  it('stops when it is no longer wanted', async () => {
    const aborter = new AbortController();
    const taken: number[] = [];
    await follow(
      async function* () {
        for (let i = 0; ; i++) yield i;
      },
      (n) => {
        taken.push(n);
        if (n === 4) aborter.abort();
      },
      () => Promise.resolve(),
      aborter.signal,
    );
    expect(taken).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('Asked', () => {
  it('drops an answer that a newer question overtook', async () => {
    const asked = new Asked<string>();
    let late!: (value: string) => void;
    const first = asked.ask(
      () =>
        new Promise<string>((resolve) => {
          late = resolve;
        }),
    );
    await asked.ask(() => Promise.resolve('new'));
    late('old');
    await first;
    expect(asked.value).toBe('new');
    expect(asked.busy).toBe(false);
  });
  it('keeps the error as data', async () => {
    const asked = new Asked<string>();
    await asked.ask(() => Promise.reject(appError('file/not-found', { path: '/x' })));
    expect(asked.error).toEqual({ code: 'file/not-found', detail: { path: '/x' } });
  });
});
