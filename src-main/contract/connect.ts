/**
 * @file The calling side: a contract and a channel become an object of functions. Whatever is pending when
 * the channel closes is refused with `rpc/closed`.
 */
import type { Channel } from '../base/channel.ts';
import { AppError, appError } from '../base/errors.ts';
import { queue, type Queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { readMessage, type Answered, type Api, type Asked, type Contract } from './rpc.ts';

export interface Connection<C extends Contract> {
  readonly api: Api<C>;
  /** Calls and streams that have neither ended nor been left. */
  pending(): number;
}

/**
 * The far end's procedures. A call rejects and a stream throws an `AppError`; with a signal, `cancelled` at
 * once. Leaving a stream's loop cancels it at the far end.
 */
export const connect = <C extends Contract>(contract: C, channel: Channel): Api<C> =>
  connection(contract, channel).api;

/** `connect`, and the count of what is under way. */
export function connection<C extends Contract>(contract: C, channel: Channel): Connection<C> {
  const pending = new Map<number, Entry>();
  let last = 0;
  let closed = false;
  const send = (message: Asked): void => {
    channel.send(message);
  };

  channel.onMessage((raw) => {
    const message = readMessage(raw);
    const entry = message && pending.get(message.id);
    if (!message || !entry || message.t === 'ask' || message.t === 'cancel') return;
    if (message.t !== 'item') pending.delete(message.id);
    entry.take(message);
  });
  channel.onClose(() => {
    closed = true;
    const all = [...pending.values()];
    pending.clear();
    for (const entry of all) entry.fail(appError('rpc/closed', {}));
  });

  /** Registers, sends, and ties the signal to the entry. */
  const ask = (
    name: string,
    input: unknown,
    signal: AbortSignalLike | undefined,
    entryOf: (leave: () => void) => Entry,
  ): void => {
    const id = ++last;
    const leave = (): void => {
      if (pending.delete(id)) send({ t: 'cancel', id });
      signal?.removeEventListener('abort', onAbort);
    };
    const raw = entryOf(leave);
    const entry: Entry = {
      take(message) {
        if (message.t !== 'item') signal?.removeEventListener('abort', onAbort);
        raw.take(message);
      },
      fail(error) {
        signal?.removeEventListener('abort', onAbort);
        raw.fail(error);
      },
    };
    const onAbort = (): void => {
      leave();
      raw.fail(appError('cancelled', { what: name }));
    };
    if (closed) {
      raw.fail(appError('rpc/closed', {}));
      return;
    }
    if (signal?.aborted) {
      raw.fail(appError('cancelled', { what: name }));
      return;
    }
    pending.set(id, entry);
    signal?.addEventListener('abort', onAbort, { once: true });
    send({ t: 'ask', id, name, input });
  };

  const callOf =
    (name: string) =>
    (input: unknown, signal?: AbortSignalLike): Promise<unknown> =>
      new Promise((resolve, reject) => {
        ask(name, input, signal, () => ({
          take(message) {
            if (message.t === 'failure') reject(new AppError(message.error.code, message.error.detail));
            else resolve(message.t === 'end' ? undefined : message.value);
          },
          fail: reject,
        }));
      });

  const streamOf =
    (name: string) =>
    (input: unknown, signal?: AbortSignalLike): AsyncIterable<unknown> => ({
      [Symbol.asyncIterator]() {
        let items: Queue<unknown> | undefined;
        ask(name, input, signal, (leave) => {
          const own = (items = queue<unknown>(leave));
          return {
            take(message) {
              if (message.t === 'item') own.push(message.value);
              else if (message.t === 'failure')
                own.fail(new AppError(message.error.code, message.error.detail));
              else own.end();
            },
            fail: own.fail,
          };
        });
        return items!;
      },
    });

  const api = Object.fromEntries(
    Object.entries(contract).map(([name, p]) => [name, p.kind === 'call' ? callOf(name) : streamOf(name)]),
  );
  return { api: api as Api<C>, pending: () => pending.size };
}

interface Entry {
  take(message: Answered): void;
  fail(error: unknown): void;
}
