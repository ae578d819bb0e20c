/** @file Following a stream to its end through lost connections: after each loss it goes on behind the last event seen. */
import { AppError } from '../../src-main/base/errors.ts';

/** Calls `take` for every event of `open(seen)`, where `seen` counts the events taken so far. Ends with the stream, or when `signal` aborts. */
export async function follow<E>(open: (seen: number) => AsyncIterable<E>, take: (event: E) => void, reconnected: () => Promise<void>, signal: AbortSignal): Promise<void> {
  let seen = 0;
  while (!signal.aborted) {
    try {
      for await (const event of open(seen)) {
        if (signal.aborted) return;
        seen++;
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
