/**
 * @file The two kinds of procedure, a call and a stream, and the types that both sides derive from a
 * contract.
 */
import type { z } from 'zod';
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

/** `call(input)<Output>()`: the input is checked where it arrives; the output is a type. */
export const call =
  <I>(input: z.ZodType<I>) =>
  <O>(): Call<I, O> => ({ kind: 'call', input });
/** A stream is an async iterable; leaving its loop cancels it at the far end. */
export const stream =
  <I>(input: z.ZodType<I>) =>
  <O>(): Stream<I, O> => ({ kind: 'stream', input });

/** What the service implements is what every caller sees. */
export type Api<C> = {
  readonly [K in keyof C]: C[K] extends Call<infer I, infer O>
    ? (input: I, signal?: AbortSignalLike) => Promise<O>
    : C[K] extends Stream<infer I, infer O>
      ? (input: I, signal?: AbortSignalLike) => AsyncIterable<O>
      : never;
};

/** What travels from the caller; `id` is the caller's, and is used once. */
export type Asked =
  | { readonly t: 'ask'; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly t: 'cancel'; readonly id: number };
/**
 * What travels back: one `answer` or `failure` for a call; `item`s and then an `end` or a `failure` for a
 * stream.
 */
export type Answered =
  | { readonly t: 'answer' | 'item'; readonly id: number; readonly value: unknown }
  | { readonly t: 'end'; readonly id: number }
  | { readonly t: 'failure'; readonly id: number; readonly error: ErrorData };

/** A message as one of ours, or undefined: a channel may carry anything. */
export function readMessage(message: unknown): Asked | Answered | undefined {
  const m = message as Asked | Answered | null;
  return typeof m === 'object' && m !== null && typeof m.t === 'string' && typeof m.id === 'number'
    ? m
    : undefined;
}
