/** @file Text that comes in pieces, as lines. */

/**
 * Takes text as it comes and hands on each line when it is whole; `end` hands on what stands after the last
 * line break.
 */
export function inLines(take: (line: string) => void): { push(text: string): void; end(): void } {
  let rest = '';
  return {
    push(text) {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) take(line);
    },
    end() {
      if (rest !== '') take(rest);
      rest = '';
    },
  };
}
