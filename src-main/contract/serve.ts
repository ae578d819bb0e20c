/**
 * @file The serving side of an API: checks every input, runs the implementation and sends back values or error
 * data. Work is aborted when the caller cancels it or its channel closes.
 */
import type { Channel } from '../base/channel.ts';
import { createError, toErrorData } from '../base/errors.ts';
import { createAborter, type AbortSignalLike } from '../base/signals.ts';
import { parseMessage, type Api, type Contract, type ResponseMessage } from './rpc.ts';

export interface Serving {
  /** The number of calls and streams that the implementation has not finished. */
  pending(): number;
}

type Procedure = (input: unknown, signal: AbortSignalLike) => Promise<unknown> | AsyncIterable<unknown>;
interface Work {
  cancel(): void;
}

/**
 * Answers the requests on `channel` with `implementation`. Its errors are sent as data; what it throws that is
 * not an `AppError` becomes `internal`.
 */
export function serve<C extends Contract>(contract: C, implementation: Api<C>, channel: Channel): Serving {
  const working = new Map<number, Work>();
  const send = (message: ResponseMessage): void => {
    channel.send(message);
  };

  async function run(id: number, name: string, input: unknown): Promise<void> {
    const { signal, abort } = createAborter();
    let iterator: AsyncIterator<unknown> | undefined;
    let isCancelled = false;
    working.set(id, {
      cancel() {
        isCancelled = true;
        // A generator that awaits something returns only when that settles; the signal settles it.
        abort();
        void iterator?.return?.().catch(() => undefined);
      },
    });
    try {
      const procedure = Object.hasOwn(contract, name) ? contract[name] : undefined;
      if (!procedure) throw createError('rpc/unknown', { call: name });
      const checked = procedure.input.safeParse(input);
      if (!checked.success)
        throw createError('rpc/bad-input', { call: name, why: describeIssue(checked.error.issues[0]) });
      const result = (implementation as Record<string, Procedure>)[name]!(checked.data, signal);
      if (procedure.kind === 'call') {
        const value = await (result as Promise<unknown>);
        if (!isCancelled) send({ type: 'response', id, value });
      } else {
        iterator = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
        for (let next = await iterator.next(); !next.done && !isCancelled; next = await iterator.next())
          send({ type: 'item', id, value: next.value });
        if (!isCancelled) send({ type: 'end', id });
      }
    } catch (thrown) {
      if (!isCancelled) send({ type: 'error', id, error: toErrorData(thrown) });
    } finally {
      working.delete(id);
    }
  }

  channel.onMessage((raw) => {
    const message = parseMessage(raw);
    if (message?.type === 'request' && !working.has(message.id))
      void run(message.id, message.name, message.input);
    else if (message?.type === 'cancel') working.get(message.id)?.cancel();
  });
  channel.onClose(() => {
    for (const work of [...working.values()]) work.cancel();
  });
  return { pending: () => working.size };
}

/** The first issue of a failed check, with the field that it is about. */
export function describeIssue(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): string {
  const field = issue?.path.map(String).join('.') ?? '';
  return `${field || 'the input'}: ${issue?.message ?? 'is not valid'}`;
}
