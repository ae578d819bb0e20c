/**
 * @file The serving side: checks every input where it arrives, runs the implementation, sends back values or
 * error data. Far ends that cancel, or vanish, abort the work.
 */
import type { Channel } from '../base/channel.ts';
import { appError, dataOf } from '../base/errors.ts';
import { aborter, type AbortSignalLike } from '../base/signals.ts';
import { readMessage, type Answered, type Api, type Contract } from './rpc.ts';

export interface Serving {
  /** Calls and streams that the implementation has not finished or left. */
  pending(): number;
}

type Procedure = (input: unknown, signal: AbortSignalLike) => Promise<unknown> | AsyncIterable<unknown>;
interface Work {
  cancel(): void;
}

/**
 * Answers what arrives on `channel` from `implementation`. Its errors cross as data; a thrown thing that is
 * no `AppError` becomes `internal`.
 */
export function serve<C extends Contract>(contract: C, implementation: Api<C>, channel: Channel): Serving {
  const working = new Map<number, Work>();
  const send = (message: Answered): void => {
    channel.send(message);
  };

  const run = async (id: number, name: string, input: unknown): Promise<void> => {
    const { signal, abort } = aborter();
    let iterator: AsyncIterator<unknown> | undefined;
    let cancelled = false;
    working.set(id, {
      cancel() {
        cancelled = true;
        abort();
        // A generator that is waiting hears of this only when its wait is over; the signal is what ends the
        // wait.
        void iterator?.return?.().catch(() => undefined);
      },
    });
    try {
      const procedure = Object.hasOwn(contract, name) ? contract[name] : undefined;
      if (!procedure) throw appError('rpc/unknown', { call: name });
      const checked = procedure.input.safeParse(input);
      if (!checked.success)
        throw appError('rpc/bad-input', { call: name, why: whyOf(checked.error.issues[0]) });
      const result = (implementation as Record<string, Procedure>)[name]!(checked.data, signal);
      if (procedure.kind === 'call') {
        const value = await (result as Promise<unknown>);
        if (!cancelled) send({ t: 'answer', id, value });
      } else {
        iterator = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
        for (let next = await iterator.next(); !next.done && !cancelled; next = await iterator.next())
          send({ t: 'item', id, value: next.value });
        if (!cancelled) send({ t: 'end', id });
      }
    } catch (thrown) {
      if (!cancelled) send({ t: 'failure', id, error: dataOf(thrown) });
    } finally {
      working.delete(id);
    }
  };

  channel.onMessage((raw) => {
    const message = readMessage(raw);
    if (message?.t === 'ask' && !working.has(message.id)) void run(message.id, message.name, message.input);
    else if (message?.t === 'cancel') working.get(message.id)?.cancel();
  });
  channel.onClose(() => {
    for (const work of [...working.values()]) work.cancel();
  });
  return { pending: () => working.size };
}

/** The first issue of a check, with the field that it is about. */
export function whyOf(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): string {
  const field = issue?.path.map(String).join('.') ?? '';
  return `${field || 'the input'}: ${issue?.message ?? 'is not valid'}`;
}
