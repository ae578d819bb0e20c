/**
 * @file An unbounded queue from a producer that never waits to one consumer that loops over it. When the
 * consumer leaves its loop, the producer is notified.
 */

export interface Queue<T> extends AsyncIterableIterator<T, undefined> {
  push(item: T): void;
  /** Ends the loop after the items pushed so far. */
  end(): void;
  /** Makes the loop throw after the items pushed so far. */
  fail(error: unknown): void;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** `onLeave` is called once if the consumer leaves its loop before the end. */
export function createQueue<T>(onLeave: () => void = () => undefined): Queue<T> {
  const items: T[] = [];
  const waiters: Waiter<T>[] = [];
  const done: IteratorResult<T, undefined> = { value: undefined, done: true };
  let head = 0;
  let open = true;
  let failure: { readonly error: unknown } | undefined;

  /** Closes the queue. The first waiting consumer gets the failure, if there is one. */
  function finish(): void {
    open = false;
    for (const waiter of waiters.splice(0)) {
      if (failure) {
        waiter.reject(failure.error);
        failure = undefined;
      } else waiter.resolve(done);
    }
  }

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
      const leftEarly = open;
      items.length = 0;
      head = 0;
      failure = undefined;
      finish();
      if (leftEarly) onLeave();
      return Promise.resolve(done);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
