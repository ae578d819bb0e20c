import { expect, it } from 'vitest';
import { splitLines } from '../../src-main/base/lines.ts';

it('gives the same lines for every chunk size, and the last line needs no break', () => {
  const text = 'one\n\ntwo three\nfour';
  for (const size of [1, 2, 3, 5, 100]) {
    const lines: string[] = [];
    const { push, end } = splitLines((line) => {
      lines.push(line);
    });
    for (let at = 0; at < text.length; at += size) push(text.slice(at, at + size));
    end();
    end();
    expect(lines).toEqual(['one', '', 'two three', 'four']);
  }
});
