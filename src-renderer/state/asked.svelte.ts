/**
 * @file One question to the service: its answer, its error, whether it is under way. The newest question
 * wins.
 */
import { dataOf, type ErrorData } from '../../src-main/base/errors.ts';

export class Asked<T> {
  value = $state.raw<T | undefined>(undefined);
  error = $state.raw<ErrorData | undefined>(undefined);
  busy = $state(false);
  #last = 0;

  /** Runs the question; an answer that was overtaken by a newer question is dropped. */
  async ask(question: () => Promise<T>): Promise<T | undefined> {
    const mine = ++this.#last;
    this.busy = true;
    this.error = undefined;
    try {
      const value = await question();
      if (mine !== this.#last) return undefined;
      this.value = value;
      return value;
    } catch (thrown) {
      if (mine === this.#last) this.error = dataOf(thrown);
      return undefined;
    } finally {
      if (mine === this.#last) this.busy = false;
    }
  }
}
