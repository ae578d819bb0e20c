/**
 * @file A small contract that does everything a procedure can do, and an implementation that counts what it
 * left undone.
 */
import { z } from 'zod';
import { queue } from '../../src-main/base/queue.ts';
import { refuse } from '../../src-main/base/errors.ts';
import { aborter, type AbortSignalLike } from '../../src-main/base/signals.ts';
import { call, stream, type Api } from '../../src-main/contract/rpc.ts';

export const exercise = {
  double: call(z.object({ value: z.number(), inner: z.object({ name: z.string().min(1) }).optional() }))<{
    readonly value: number;
    readonly data: string;
  }>(),
  refuse: call(z.object({ path: z.string() }))<never>(),
  throws: call(z.object({}))<never>(),
  wait: call(z.object({}))<string>(),
  pending: call(z.object({}))<number>(),
  block: call(z.object({ ms: z.number() }))<Record<string, never>>(),
  die: call(z.object({ how: z.enum(['exit', 'kill']) }))<never>(),
  count: stream(z.object({ to: z.number().int(), failAt: z.number().int().optional() }))<number>(),
  forever: stream(z.object({}))<{ readonly data: number }>(),
  silent: stream(z.object({}))<number>(),
} as const;

/** Waits until the signal goes off. */
const untilAborted = (signal: AbortSignalLike | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else
      signal?.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });

/**
 * `left()` tells how many calls and streams were begun and not ended; `die` is what the host can do about its
 * own life.
 */
export function exerciser(die: (how: 'exit' | 'kill') => void): Api<typeof exercise> {
  let open = 0;
  const during = async <T>(work: () => Promise<T>): Promise<T> => {
    open++;
    try {
      return await work();
    } finally {
      open--;
    }
  };
  return {
    double: ({ value }) => Promise.resolve({ value: value * 2, data: 'a field called data' }),
    refuse: ({ path }) => Promise.reject(asError(() => refuse('file/not-found', { path }))),
    throws: () => Promise.reject(new TypeError('no such luck')),
    wait: (_, signal) =>
      during(async () => {
        await untilAborted(signal);
        return 'aborted';
      }),
    pending: () => Promise.resolve(open),
    block: ({ ms }) => {
      const end = Date.now() + ms;
      while (Date.now() < end) continue;
      return Promise.resolve({});
    },
    die: ({ how }) => {
      die(how);
      return new Promise(() => undefined);
    },
    async *count({ to, failAt }) {
      open++;
      try {
        for (let i = 0; i < to; i++) {
          if (i === failAt) refuse('run/not-finite', { step: i, what: 'loss' });
          yield i;
        }
      } finally {
        open--;
      }
    },
    async *forever(_, signal) {
      open++;
      try {
        for (let i = 0; !signal?.aborted; i++) {
          yield { data: i };
          await new Promise((resolve) => {
            setTimeout(resolve, 1);
          });
        }
      } finally {
        open--;
      }
    },
    silent() {
      open++;
      return queue<number>(() => {
        open--;
      });
    },
  };
}

function asError(work: () => never): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
export { aborter };
