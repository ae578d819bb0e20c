import { describe, expect, it } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { createOutput, table, type Streams } from '../../../src-main/entry/node/output.ts';

/** Streams that record what is written, with a clock that the test sets. */
function createStreams(isTTY: boolean) {
  const written = { out: '', err: '', time: 0 };
  const streams: Streams = {
    out: {
      write(text) {
        written.out += text;
      },
    },
    err: {
      isTTY,
      columns: 60,
      write(text) {
        written.err += text;
      },
    },
    now: () => written.time,
  };
  return { written, streams };
}

describe('progress', () => {
  it('is one line on a terminal, within its width', () => {
    const { written, streams } = createStreams(true);
    const out = createOutput(false, streams);
    for (let i = 0; i <= 100; i++) {
      written.time += 100;
      out.progress('Growing', i, 100, 'with some details');
    }
    expect(written.err.match(/\n/g)).toHaveLength(1);
    for (const line of written.err.split('\r').slice(1))
      expect(line.replace('\u001b[K', '').trimEnd().length).toBeLessThanOrEqual(60);
  });

  it('is a line every few seconds in a log, and always at the end', () => {
    const { written, streams } = createStreams(false);
    const out = createOutput(false, streams);
    for (let i = 0; i <= 100; i++) {
      written.time += 100;
      out.progress('Growing', i, 100);
    }
    const lines = written.err.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(lines.at(-1)).toBe('Growing 100 %');
    expect(written.err).not.toContain('\r');
  });

  it('ends its line before other output', () => {
    const { written, streams } = createStreams(true);
    const out = createOutput(true, streams);
    out.progress('Growing', 1, 10);
    out.note('a note');
    expect(written.err).toMatch(/\na note\n$/);
    out.result({ a: 1 }, 'text');
    expect(written.out).toBe('{"a":1}\n');
  });
});

describe('error', () => {
  it('returns the exit code of each kind of error', () => {
    const { written, streams } = createStreams(false);
    const out = createOutput(true, streams);
    const errors = [
      createError('usage', { why: 'x' }),
      createError('cancelled', { what: 'x' }),
      createError('file/not-found', { path: 'x' }),
      new Error('bug'),
    ];
    expect(errors.map((error) => out.error(error))).toEqual([2, 130, 1, 1]);
    const lines = written.out.trimEnd().split('\n');
    const codes = lines.map((line) => (JSON.parse(line) as { error: { code: string } }).error.code);
    expect(codes).toEqual(['usage', 'cancelled', 'file/not-found', 'internal']);
  });

  it('prints the last lines of a crashed engine', () => {
    const { written, streams } = createStreams(false);
    const out = createOutput(false, streams);
    out.error(createError('engine/crashed', { how: 'signal SIGSEGV', lines: 'the last line' }));
    expect(written.err).toContain('the last line');
  });
});

describe('table', () => {
  it('aligns texts to the left and numbers to the right', () => {
    const rows = [
      ['a', 'n'],
      ['long', 5],
      ['x', 12],
    ];
    expect(table(rows)).toBe('a      n\nlong   5\nx     12');
  });

  it('continues the widest texts on further lines where the terminal is narrow', () => {
    const rows = [
      ['weight', 'count', 'why'],
      ['model.layers.*.mlp.down_proj.weight', 24, 'sums two equal copies of the hidden units'],
    ];
    const text = table(rows, 48);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(48);
    const joined = text.split('\n').slice(1);
    expect(joined.map((line) => line.slice(0, 18).trim()).join('')).toContain('model.layers.*.mlp');
    expect(joined.length).toBeGreaterThan(2);
    expect(table(rows, 200)).toBe(table(rows, Infinity));
    expect(table([['n'], [123_456]], 3)).toBe('     n\n123456');
  });
});

describe('text of others', () => {
  const hostile =
    'tree\u001b]52;c;ZXZpbA==\u0007\u001b[2J\r\u009b31m\u202egpj.exe\u2066\u200f\u007f\u2028end';
  const control = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
  it.each([false, true])('reaches a terminal without control and bidi characters (json: %s)', (json) => {
    const { written, streams } = createStreams(false);
    const out = createOutput(json, streams);
    out.result({ name: hostile }, hostile);
    out.note(hostile);
    out.piece(hostile);
    out.progress(hostile, 1, 1, hostile);
    out.error(createError('file/not-found', { path: hostile }));
    out.error(createError('engine/crashed', { how: 'x', lines: hostile }));
    expect(written.out + written.err).not.toMatch(control);
    expect(written.out + written.err).toContain('gpj.exe');
  });

  it('is the same text in JSON, and keeps tabs, lines and letters', () => {
    const { written, streams } = createStreams(false);
    createOutput(true, streams).result({ name: hostile }, '');
    expect(JSON.parse(written.out)).toEqual({ name: hostile });
    const plain = 'Ünïcödé 🌳 1\u202f000\tx\ny';
    createOutput(false, streams).result({}, plain);
    expect(written.out).toContain(plain);
  });
});
