/** @file The two kinds of procedure, calls and streams, and the types that both sides derive from a contract. */
import { z } from 'zod';
import type { ErrorData } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';

export interface Call<I = unknown, O = unknown> {
  readonly kind: 'call';
  readonly input: z.ZodType<I>;
  readonly output?: O;
}
export interface Stream<I = unknown, O = unknown> {
  readonly kind: 'stream';
  readonly input: z.ZodType<I>;
  readonly output?: O;
}
export type Contract = Readonly<
  Record<string, { readonly kind: 'call' | 'stream'; readonly input: z.ZodType; readonly output?: unknown }>
>;

/** Declares a call as `call(input)<Output>()`. The receiver checks the input; the output is only a type. */
export const call =
  <I>(input: z.ZodType<I>) =>
  <O>(): Call<I, O> => ({ kind: 'call', input });

/** Declares a stream, an async iterable. Leaving its loop cancels it at the other end. */
export const stream =
  <I>(input: z.ZodType<I>) =>
  <O>(): Stream<I, O> => ({ kind: 'stream', input });

/** The functions of a contract, as the service implements them and as callers see them. */
export type Api<C> = {
  readonly [K in keyof C]: C[K] extends Call<infer I, infer O>
    ? (input: I, signal?: AbortSignalLike) => Promise<O>
    : C[K] extends Stream<infer I, infer O>
      ? (input: I, signal?: AbortSignalLike) => AsyncIterable<O>
      : never;
};

/** What the procedures of a contract return: the value of a call, and the items of a stream. */
export type OutputsOf<C> = {
  readonly [K in keyof C]: C[K] extends { readonly output?: infer O } ? O : never;
};

/** A message of the caller, who chooses `id` and uses each only once. */
export type RequestMessage =
  | { readonly type: 'request'; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly type: 'cancel'; readonly id: number };

/**
 * A message to the caller. A call gets one `response` or `error`; a stream gets `item`s and then an `end` or an
 * `error`.
 */
export type ResponseMessage =
  | { readonly type: 'response' | 'item'; readonly id: number; readonly value: unknown }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorData };

const id = z.number();
/** What a message carries is checked by who takes it, also when it is missing. */
const anything = z.unknown().optional();
const message = z.discriminatedUnion('type', [
  z.object({ type: z.literal('request'), id, name: z.string(), input: anything }),
  z.object({ type: z.literal('cancel'), id }),
  z.object({ type: z.enum(['response', 'item']), id, value: anything }),
  z.object({ type: z.literal('end'), id }),
  z.object({ type: z.literal('error'), id, error: anything }),
]);

/** Returns `candidate` if it is a message of this protocol, else undefined: a channel may carry anything. */
export function parseMessage(candidate: unknown): RequestMessage | ResponseMessage | undefined {
  return message.safeParse(candidate).data as RequestMessage | ResponseMessage | undefined;
}
