/**
 * @file The calling side of an API: turns a contract and a channel into an object of functions. When the channel
 * closes, pending calls and streams fail with `rpc/closed`.
 */
import type { Channel } from '../base/channel.ts';
import { AppError, createError, type ErrorData } from '../base/errors.ts';
import { createQueue, type Queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { parseMessage, type Api, type Contract, type RequestMessage, type ResponseMessage } from './rpc.ts';

export interface Connection<C extends Contract> {
  readonly api: Api<C>;
  /** The number of calls and streams that have neither ended nor been cancelled. */
  pending(): number;
}

/** Checks what the other end sends. Both throw what the call or stream then fails with. */
export interface AnswerCheck {
  /** The value of a call, or an item of a stream, as it may be used. */
  value(call: string, value: unknown): unknown;
  error(call: string, error: unknown): ErrorData;
}

/** For an end that belongs to this program: its types hold. */
const noCheck: AnswerCheck = {
  value: (_, value) => value,
  error: (_, error) => error as ErrorData,
};

/** A call or stream that waits for responses. */
interface Pending {
  readonly isStream: boolean;
  take(message: ResponseMessage): void;
  fail(error: unknown): void;
}

/**
 * Returns the procedures of the other end. A call rejects and a stream throws with an `AppError`, and at once
 * with `cancelled` when its signal aborts. Leaving the loop of a stream cancels it at the other end. What does not
 * pass `check` fails the call, or fails the stream and cancels it.
 */
export const connect = <C extends Contract>(contract: C, channel: Channel, check?: AnswerCheck): Api<C> =>
  openConnection(contract, channel, check).api;

/** Like `connect`, with the number of pending calls and streams. */
export function openConnection<C extends Contract>(
  contract: C,
  channel: Channel,
  check = noCheck,
): Connection<C> {
  const caller = createCaller(channel);
  const api = Object.fromEntries(
    Object.entries(contract).map(([name, procedure]) => [
      name,
      procedure.kind === 'call' ? toCall(caller, name, check) : toStream(caller, name, check),
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
    if (message.type !== 'item' || !entry.isStream) pending.delete(message.id);
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
        isStream: entry.isStream,
        take(message) {
          if (message.type !== 'item' || !entry.isStream) signal?.removeEventListener('abort', onAbort);
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
  (caller: Caller, name: string, check: AnswerCheck) =>
  (input: unknown, signal?: AbortSignalLike): Promise<unknown> =>
    new Promise((resolve, reject) => {
      caller.request(name, input, signal, () => ({
        isStream: false,
        take(message) {
          try {
            if (message.type === 'error') reject(toAppError(check.error(name, message.error)));
            else resolve(check.value(name, message.type === 'end' ? undefined : message.value));
          } catch (error) {
            reject(error as Error);
          }
        },
        fail: reject,
      }));
    });

const toStream =
  (caller: Caller, name: string, check: AnswerCheck) =>
  (input: unknown, signal?: AbortSignalLike): AsyncIterable<unknown> => ({
    [Symbol.asyncIterator]() {
      let items: Queue<unknown> | undefined;
      caller.request(name, input, signal, (cancel) => {
        const queue = createQueue<unknown>(cancel);
        items = queue;
        return {
          isStream: true,
          take(message) {
            try {
              if (message.type === 'item') queue.push(check.value(name, message.value));
              else if (message.type === 'error') queue.fail(toAppError(check.error(name, message.error)));
              else queue.end();
            } catch (error) {
              cancel();
              queue.fail(error);
            }
          },
          fail: queue.fail,
        };
      });
      return items!;
    },
  });

const toAppError = ({ code, detail }: ErrorData): AppError => new AppError(code, detail);
