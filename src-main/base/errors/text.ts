/** @file The form of an error's text, and helpers that the error tables share. */

/** A sentence without its full stop, and a remedy of one sentence. */
export type ErrorText = readonly [sentence: string, remedy: string];

/** `a, b, c and 4 more`. */
export function listNames(names: readonly (string | number)[], limit = 3): string {
  const rest = names.length - limit;
  return names.slice(0, limit).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** `The nearest possible hidden is 128 or 192.`, or `fallback` if there is none. */
export function suggestNearest(what: string, nearest: readonly number[], fallback: string): string {
  return nearest.length > 0 ? `The nearest possible ${what} is ${nearest.join(' or ')}.` : fallback;
}
