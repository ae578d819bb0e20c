/**
 * @file A queue between a producer that never waits and one consumer that loops over it. Nothing is lost;
 * leaving the loop tells the producer.
 */

export interface Queue<T> extends AsyncIterableIterator<T, undefined> {
  push(item: T): void;
  /** The loop ends after what was pushed before. */
  end(): void;
  /** The loop throws after what was pushed before. */
  fail(error: unknown): void;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** `left` is called once when the consumer leaves its loop before the end. */
export function queue<T>(left: () => void = () => undefined): Queue<T> {
  const items: T[] = [];
  const waiters: Waiter<T>[] = [];
  const done: IteratorResult<T, undefined> = { value: undefined, done: true };
  let head = 0;
  let open = true;
  let failure: { readonly error: unknown } | undefined;
  const finish = (): void => {
    open = false;
    for (const waiter of waiters.splice(0)) {
      if (failure) {
        waiter.reject(failure.error);
        failure = undefined;
      } else waiter.resolve(done);
    }
  };
  return {
    push(item) {
      if (!open) return;
      const waiter = waiters.shift();
      if (waiter) waiter.resolve({ value: item, done: false });
      else items.push(item);
    },
    end() {
      if (open) finish();
    },
    fail(error) {
      if (open) {
        failure = { error };
        finish();
      }
    },
    next() {
      if (head < items.length) {
        const value = items[head++]!;
        if (head === items.length || head > 1024) {
          items.splice(0, head);
          head = 0;
        }
        return Promise.resolve({ value, done: false });
      }
      if (failure) {
        const { error } = failure;
        failure = undefined;
        return Promise.reject(error as Error);
      }
      if (!open) return Promise.resolve(done);
      return new Promise((resolve, reject) => {
        waiters.push({ resolve, reject });
      });
    },
    return() {
      const early = open;
      items.length = head = 0;
      failure = undefined;
      finish();
      if (early) left();
      return Promise.resolve(done);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
