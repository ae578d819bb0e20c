/**
 * @file A contract with one procedure for each thing a call or stream can do, and an implementation that
 * counts unfinished work.
 */
import { z } from 'zod';
import { createQueue } from '../../src-main/base/queue.ts';
import { createError, refuse } from '../../src-main/base/errors.ts';
import type { AbortSignalLike } from '../../src-main/base/signals.ts';
import { call, stream, type Api } from '../../src-main/contract/rpc.ts';

export const sampleContract = {
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

/** Resolves when the signal aborts; never without a signal. */
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
 * Implements the contract. `pending` returns the number of calls and streams that have started and not
 * ended; `die` ends the process or closes the channel of the host.
 */
export function createSampleApi(die: (how: 'exit' | 'kill') => void): Api<typeof sampleContract> {
  let open = 0;
  const track = async <T>(work: () => Promise<T>): Promise<T> => {
    open++;
    try {
      return await work();
    } finally {
      open--;
    }
  };
  return {
    double: ({ value }) => Promise.resolve({ value: value * 2, data: 'a field called data' }),
    refuse: ({ path }) => Promise.reject(createError('file/not-found', { path })),
    throws: () => Promise.reject(new TypeError('no such luck')),
    wait: (_, signal) =>
      track(async () => {
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
      return createQueue<number>(() => {
        open--;
      });
    },
  };
}
