/** @file Following a stream to its end through lost connections: after each loss it is opened again. */
import { AppError } from '../../src-main/base/errors.ts';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';

/** A run so far, thinned for drawing, and then every event as it comes. */
export async function* wholeRun(
  service: Pick<Service, 'runHistory' | 'followRun'>,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<RunEvent> {
  const { events, lines, offset } = await service.runHistory({ id }, signal);
  yield* events;
  yield* service.followRun({ id, from: lines, offset }, signal);
}

/**
 * Calls `take` for every event of `open()`, which tells everything from the start each time it is opened.
 * Ends with the stream, or when `signal` aborts.
 */
export async function follow<E>(
  open: () => AsyncIterable<E>,
  take: (event: E) => void,
  reconnected: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of open()) {
        if (signal.aborted) return;
        take(event);
      }
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof AppError) || thrown.code !== 'rpc/closed') throw thrown;
      await reconnected();
    }
  }
}
