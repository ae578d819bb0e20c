/** @file Types of JSON values. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/**
 * The text of a value of a file that should be a text. `String` throws for an object such as `{"toString": 1}`, which
 * JSON can have.
 */
export const toText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
