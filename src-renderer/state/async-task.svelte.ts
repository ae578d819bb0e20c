/** @file The state of an asynchronous call: its result, its error, and whether it runs. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';

export class AsyncTask<T> {
  value = $state.raw<T | undefined>(undefined);
  error = $state.raw<ErrorData | undefined>(undefined);
  isRunning = $state(false);
  #lastCall = 0;

  /** Calls `task` and returns its result. If a newer call started meanwhile, the result is dropped. */
  async run(task: () => Promise<T>): Promise<T | undefined> {
    const call = ++this.#lastCall;
    this.isRunning = true;
    this.error = undefined;
    try {
      const value = await task();
      if (call !== this.#lastCall) return undefined;
      this.value = value;
      return value;
    } catch (thrown) {
      if (call === this.#lastCall) this.error = toErrorData(thrown);
      return undefined;
    } finally {
      if (call === this.#lastCall) this.isRunning = false;
    }
  }
}
