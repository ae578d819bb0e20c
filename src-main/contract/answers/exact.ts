/** @file Ties the schema of an answer to its type, so that neither gets a field that the other lacks. */
import '../no-eval.ts';
import type { z } from 'zod';

/** `T` with all of its optional fields required, at every depth. */
type Complete<T> = T extends object ? { [K in keyof T]-?: Complete<Exclude<T[K], undefined>> } : T;
type Readable<T> = T extends object ? { readonly [K in keyof T]: Readable<T[K]> } : T;

type Assignable<A, B> = [Readable<A>] extends [Readable<B>] ? true : false;
/** Both have the same fields with the same types, and the same of them are optional. */
type Same<A, B> =
  true extends Assignable<A, B>
    ? true extends Assignable<B, A>
      ? true extends Assignable<Complete<A>, Complete<B>>
        ? Assignable<Complete<B>, Complete<A>>
        : false
      : false
    : false;

/** The schema `S` if it describes `T`; else a type that no schema has. */
type Matching<S extends z.ZodType, T> =
  Same<z.output<S>, T> extends true ? S : 'the schema and the type have different fields';

/** `exactly<T>()(schema)` is `schema` as a schema of `T`; it compiles only if both describe the same values. */
export const exactly =
  <T>() =>
  <S extends z.ZodType>(schema: Matching<S, T>): z.ZodType<T> =>
    schema as unknown as z.ZodType<T>;
