/**
 * @file The calling side of an API: turns a contract and a channel into an object of functions. When the channel
 * closes, pending calls and streams fail with `rpc/closed`.
 */
import type { Channel } from '../base/channel.ts';
import { AppError, createError } from '../base/errors.ts';
import { createQueue, type Queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { parseMessage, type Api, type Contract, type RequestMessage, type ResponseMessage } from './rpc.ts';

export interface Connection<C extends Contract> {
  readonly api: Api<C>;
  /** The number of calls and streams that have neither ended nor been cancelled. */
  pending(): number;
}

/** A call or stream that waits for responses. */
interface Pending {
  take(message: ResponseMessage): void;
  fail(error: unknown): void;
}

/**
 * Returns the procedures of the other end. A call rejects and a stream throws with an `AppError`, and at once
 * with `cancelled` when its signal aborts. Leaving the loop of a stream cancels it at the other end.
 */
export const connect = <C extends Contract>(contract: C, channel: Channel): Api<C> =>
  openConnection(contract, channel).api;

/** Like `connect`, with the number of pending calls and streams. */
export function openConnection<C extends Contract>(contract: C, channel: Channel): Connection<C> {
  const caller = createCaller(channel);
  const api = Object.fromEntries(
    Object.entries(contract).map(([name, procedure]) => [
      name,
      procedure.kind === 'call' ? toCall(caller, name) : toStream(caller, name),
    ]),
  );
  return { api: api as Api<C>, pending: caller.pending };
}

interface Caller {
  /** Sends a request. `createEntry` gets the function that cancels it. */
  request(
    name: string,
    input: unknown,
    signal: AbortSignalLike | undefined,
    createEntry: (cancel: () => void) => Pending,
  ): void;
  pending(): number;
}

function createCaller(channel: Channel): Caller {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let isClosed = false;
  const send = (message: RequestMessage): void => {
    channel.send(message);
  };

  channel.onMessage((raw) => {
    const message = parseMessage(raw);
    const entry = message && pending.get(message.id);
    if (!message || !entry || message.type === 'request' || message.type === 'cancel') return;
    if (message.type !== 'item') pending.delete(message.id);
    entry.take(message);
  });
  channel.onClose(() => {
    isClosed = true;
    const entries = [...pending.values()];
    pending.clear();
    for (const entry of entries) entry.fail(createError('rpc/closed', {}));
  });

  return {
    request(name, input, signal, createEntry) {
      const id = ++lastId;
      const cancel = (): void => {
        if (pending.delete(id)) send({ type: 'cancel', id });
        signal?.removeEventListener('abort', onAbort);
      };
      const entry = createEntry(cancel);
      const onAbort = (): void => {
        cancel();
        entry.fail(createError('cancelled', { what: name }));
      };
      if (isClosed) {
        entry.fail(createError('rpc/closed', {}));
        return;
      }
      if (signal?.aborted) {
        entry.fail(createError('cancelled', { what: name }));
        return;
      }
      pending.set(id, {
        take(message) {
          if (message.type !== 'item') signal?.removeEventListener('abort', onAbort);
          entry.take(message);
        },
        fail(error) {
          signal?.removeEventListener('abort', onAbort);
          entry.fail(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      send({ type: 'request', id, name, input });
    },
    pending: () => pending.size,
  };
}

const toCall =
  (caller: Caller, name: string) =>
  (input: unknown, signal?: AbortSignalLike): Promise<unknown> =>
    new Promise((resolve, reject) => {
      caller.request(name, input, signal, () => ({
        take(message) {
          if (message.type === 'error') reject(new AppError(message.error.code, message.error.detail));
          else resolve(message.type === 'end' ? undefined : message.value);
        },
        fail: reject,
      }));
    });

const toStream =
  (caller: Caller, name: string) =>
  (input: unknown, signal?: AbortSignalLike): AsyncIterable<unknown> => ({
    [Symbol.asyncIterator]() {
      let items: Queue<unknown> | undefined;
      caller.request(name, input, signal, (cancel) => {
        const queue = createQueue<unknown>(cancel);
        items = queue;
        return {
          take(message) {
            if (message.type === 'item') queue.push(message.value);
            else if (message.type === 'error')
              queue.fail(new AppError(message.error.code, message.error.detail));
            else queue.end();
          },
          fail: queue.fail,
        };
      });
      return items!;
    },
  });
