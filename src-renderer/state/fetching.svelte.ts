/** @file A download or a push under way, followed through lost connections. */
import { dataOf, type ErrorData } from '../../src-main/base/errors.ts';
import type { DownloadEvent, PushEvent } from '../../src-main/contract/hub.ts';
import { follow } from './follow.ts';

type Bytes<E> = Extract<E, { at: 'bytes' }>;
type Done<E> = Extract<E, { at: 'done' }>;

export class Fetching<E extends DownloadEvent | PushEvent> {
  bytes = $state.raw<Bytes<E> | null>(null);
  done = $state.raw<Done<E> | null>(null);
  paused = $state(false);
  error = $state.raw<ErrorData | null>(null);
  /** Whether it is being followed. */
  running = $state(false);
  secondsLeft = $derived(
    this.bytes && this.bytes.perSecond > 0
      ? (this.bytes.of - this.bytes.done) / this.bytes.perSecond
      : Number.NaN,
  );

  /** Follows to the end; the answer stops it. */
  follow(
    open: (signal: AbortSignal) => AsyncIterable<E>,
    reconnected: () => Promise<void>,
    ended: () => void,
  ): () => void {
    const aborter = new AbortController();
    this.bytes = this.done = this.error = null;
    this.paused = false;
    this.running = true;
    void follow(
      () => open(aborter.signal),
      (event) => {
        this.#take(event);
      },
      reconnected,
      aborter.signal,
    )
      .catch((thrown: unknown) => {
        const error = dataOf(thrown);
        if (error.code !== 'cancelled') this.error = error;
      })
      .finally(() => {
        if (!aborter.signal.aborted) {
          this.running = false;
          ended();
        }
      });
    return () => {
      aborter.abort();
    };
  }

  #take(event: E): void {
    if (event.at === 'bytes') this.bytes = event as Bytes<E>;
    else if (event.at === 'done') this.done = event as Done<E>;
    else this.paused = true;
  }
}
