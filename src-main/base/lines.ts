/** @file Splits text that arrives in chunks into lines. */

/**
 * Calls `onLine` with each line as soon as it is complete. `end` passes on the rest after the last line break,
 * if there is any.
 */
export function splitLines(onLine: (line: string) => void): { push(text: string): void; end(): void } {
  let rest = '';
  return {
    push(text) {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) onLine(line);
    },
    end() {
      if (rest !== '') onLine(rest);
      rest = '';
    },
  };
}
