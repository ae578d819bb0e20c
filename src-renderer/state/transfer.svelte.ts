/** @file The progress of a download or an upload, followed across lost connections. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import type { DownloadEvent, PushEvent } from '../../src-main/contract/hub.ts';
import { follow } from './follow.ts';

type BytesEvent<E> = Extract<E, { type: 'bytes' }>;
type DoneEvent<E> = Extract<E, { type: 'done' }>;

export class Transfer<E extends DownloadEvent | PushEvent> {
  bytes = $state.raw<BytesEvent<E> | null>(null);
  done = $state.raw<DoneEvent<E> | null>(null);
  error = $state.raw<ErrorData | null>(null);
  /** NaN while the speed is unknown. */
  secondsLeft = $derived(
    this.bytes && this.bytes.perSecond > 0
      ? (this.bytes.of - this.bytes.done) / this.bytes.perSecond
      : Number.NaN,
  );

  /** Follows the stream and calls `onEnd` after its last event. The returned function stops following. */
  follow(
    open: (signal: AbortSignal) => AsyncIterable<E>,
    reconnected: () => Promise<void>,
    onEnd: () => void,
  ): () => void {
    const aborter = new AbortController();
    this.bytes = null;
    this.done = null;
    this.error = null;
    void follow(
      () => open(aborter.signal),
      (event) => {
        if (event.type === 'bytes') this.bytes = event as BytesEvent<E>;
        if (event.type === 'done') this.done = event as DoneEvent<E>;
      },
      reconnected,
      aborter.signal,
    )
      .catch((thrown: unknown) => {
        const error = toErrorData(thrown);
        if (error.code !== 'cancelled') this.error = error;
      })
      .finally(() => {
        if (!aborter.signal.aborted) onEnd();
      });
    return () => {
      aborter.abort();
    };
  }
}
