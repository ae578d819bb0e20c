/** @file JSON: types of its values, and the only place that parses it. */
import { z } from 'zod';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** The type of a schema, for files that may not import the library. */
export type Schema<T> = z.ZodType<T>;

/** True for a JSON object: not null, not an array. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Any JSON. For readers whose tables check every value that they use, such as those of config.json. */
export const anyJson = z.custom<Json>(() => true);
/** An object, for such readers. */
export const jsonObject = z.custom<JsonObject>(isObject, 'it is not an object');

/** The first problem that a schema found, with its field. */
export function describeProblem({ issues: [issue] }: z.ZodError): string {
  const field = issue?.path.map(String).join('.') ?? '';
  return `${field === '' ? '' : `${field}: `}${issue?.message ?? 'it is not valid'}`;
}

/**
 * Parses a JSON text and checks it: whoever wrote it may have written anything. Throws a `SyntaxError` that says what
 * is wrong with it.
 */
export function parseJson<T>(text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new SyntaxError(describeProblem(parsed.error));
}

/** As `parseJson`; undefined for a text that is no JSON of the schema. */
export function parseJsonIfValid<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return parseJson(text, schema);
  } catch {
    return undefined;
  }
}

/**
 * The text of a value of a file that should be a text. `String` throws for an object such as `{"toString": 1}`, which
 * JSON can have.
 */
export const toText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
