import { describe, expect, it } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { createOutput, table } from '../../../src-main/entry/node/output.ts';

function streams(isTTY: boolean) {
  const said = { out: '', err: '', time: 0 };
  return {
    said,
    streams: {
      out: {
        write: (t: string) => {
          said.out += t;
        },
      },
      err: {
        isTTY,
        columns: 60,
        write: (t: string) => {
          said.err += t;
        },
      },
      now: () => said.time,
    },
  };
}

describe('output', () => {
  it('draws one line on a terminal and never beyond its width', () => {
    const { said, streams: s } = streams(true);
    const out = createOutput(false, s);
    for (let i = 0; i <= 100; i++) {
      said.time += 100;
      out.progress('Growing', i, 100, 'something said beside it');
    }
    expect(said.err.match(/\n/g)).toHaveLength(1);
    for (const line of said.err.split('\r').slice(1))
      expect(line.replace('\u001b[K', '').trimEnd().length).toBeLessThanOrEqual(60);
  });

  it('is a plain line every few seconds in a log, and the last one always', () => {
    const { said, streams: s } = streams(false);
    const out = createOutput(false, s);
    for (let i = 0; i <= 100; i++) {
      said.time += 100;
      out.progress('Growing', i, 100);
    }
    const lines = said.err.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(lines.at(-1)).toBe('Growing 100 %');
    expect(said.err).not.toContain('\r');
  });

  it('keeps the bar off what comes after it', () => {
    const { said, streams: s } = streams(true);
    const out = createOutput(true, s);
    out.progress('Growing', 1, 10);
    out.note('a note');
    expect(said.err).toMatch(/\na note\n$/);
    out.result({ a: 1 }, 'human');
    expect(said.out).toBe('{"a":1}\n');
  });

  it('has an exit code for each kind of error', () => {
    const { streams: s, said } = streams(false);
    const out = createOutput(true, s);
    expect(
      [
        createError('usage', { why: 'x' }),
        createError('cancelled', { what: 'x' }),
        createError('file/not-found', { path: 'x' }),
        new Error('bug'),
      ].map((e) => out.error(e)),
    ).toEqual([2, 130, 1, 1]);
    expect(
      said.out
        .trimEnd()
        .split('\n')
        .map((l) => (JSON.parse(l) as { error: { code: string } }).error.code),
    ).toEqual(['usage', 'cancelled', 'file/not-found', 'internal']);
    out.error(createError('engine/crashed', { how: 'signal SIGSEGV', lines: 'the last line' }));
    expect(said.err).toContain('the last line');
  });

  it('aligns tables', () => {
    expect(
      table([
        ['a', 'n'],
        ['long', 5],
        ['x', 12],
      ]),
    ).toBe('a      n\nlong   5\nx     12');
  });
});
