/** @file The state of work that reports events: whether it runs, its error, and how to cancel it. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';

export class StreamTask<E> {
  isRunning = $state(false);
  error = $state.raw<ErrorData | undefined>(undefined);
  #controller: AbortController | undefined;

  /** Calls `onEvent` for every event of the stream. Cancels work that still runs. */
  async run(open: (signal: AbortSignal) => AsyncIterable<E>, onEvent: (event: E) => void): Promise<void> {
    this.cancel();
    const controller = new AbortController();
    this.#controller = controller;
    this.isRunning = true;
    this.error = undefined;
    try {
      for await (const event of open(controller.signal)) {
        if (controller.signal.aborted) return;
        onEvent(event);
      }
    } catch (thrown) {
      if (!controller.signal.aborted) this.error = toErrorData(thrown);
    } finally {
      if (this.#controller === controller) this.isRunning = false;
    }
  }

  cancel(): void {
    this.#controller?.abort();
    this.isRunning = false;
  }
}
