/** @file Follows event streams across lost connections. */
import { AppError } from '../../src-main/base/errors.ts';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import type { Service } from '../../src-main/contract/service.ts';

/** The history of a run, thinned for charts, and then every new event. */
export async function* streamRun(
  service: Pick<Service, 'runHistory' | 'followRun'>,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<RunEvent> {
  const { events, lines, offset } = await service.runHistory({ id }, signal);
  yield* events;
  yield* service.followRun({ id, from: lines, offset }, signal);
}

/**
 * Calls `onEvent` for every event of the stream. After a lost connection it waits for `reconnected` and opens
 * the stream again, which then repeats all events. Ends with the stream, or when `signal` aborts.
 */
export async function follow<E>(
  open: () => AsyncIterable<E>,
  onEvent: (event: E) => void,
  reconnected: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of open()) {
        if (signal.aborted) return;
        onEvent(event);
      }
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof AppError) || thrown.code !== 'rpc/closed') throw thrown;
      await reconnected();
    }
  }
}
