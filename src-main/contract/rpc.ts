/** @file The two kinds of procedure, a call and a stream, and the types that both sides derive from a contract. */
import type { z } from 'zod';

export interface Call<I = unknown, O = unknown> { readonly kind: 'call'; readonly input: z.ZodType<I>; readonly output?: O }
export interface Stream<I = unknown, O = unknown> { readonly kind: 'stream'; readonly input: z.ZodType<I>; readonly output?: O }
export type Contract = Readonly<Record<string, Call<never, unknown> | Stream<never, unknown>>>;

/** `call(input)<Output>()`: the input is checked where it arrives; the output is a type. */
export const call = <I>(input: z.ZodType<I>) => <O>(): Call<I, O> => ({ kind: 'call', input });
/** A stream is an async iterable; leaving its loop cancels it at the far end. */
export const stream = <I>(input: z.ZodType<I>) => <O>(): Stream<I, O> => ({ kind: 'stream', input });

/** What the service implements is what every caller sees. */
export type Api<C> = {
  readonly [K in keyof C]: C[K] extends Call<infer I, infer O> ? (input: I, signal?: AbortSignalLike) => Promise<O>
    : C[K] extends Stream<infer I, infer O> ? (input: I, signal?: AbortSignalLike) => AsyncIterable<O> : never;
};

/** The part of AbortSignal that is used; the std layers have no DOM. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}
