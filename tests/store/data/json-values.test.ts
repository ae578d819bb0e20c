/** @file JSON is read whole however it is written and however its text arrives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src-main/base/json.ts';
import { readJsonLines, readJsonValues, type PlacedValue } from '../../../src-main/store/data/json-values.ts';
import { expectAppError } from '../../support/expect-app-error.ts';

/** A text in parts of these lengths, over and over. */
async function* inParts(text: string, lengths: readonly number[]): AsyncGenerator<string> {
  for (let at = 0, i = 0; at < text.length; i++) {
    const length = lengths[i % lengths.length]!;
    yield text.slice(at, at + length);
    at += length;
  }
}

type Reader = (path: string, parts: AsyncIterable<string>) => AsyncGenerator<PlacedValue>;

async function collect(
  reader: Reader,
  text: string,
  lengths: readonly number[] = [7],
): Promise<PlacedValue[]> {
  const all: PlacedValue[] = [];
  for await (const value of reader('f', inParts(text, lengths))) all.push(value);
  return all;
}
const values = async (reader: Reader, text: string, lengths?: readonly number[]): Promise<Json[]> =>
  (await collect(reader, text, lengths)).map(({ value }) => value);

const partLengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
const anyJson = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);

describe('readJsonLines', () => {
  it('reads one value per line, with the number of its line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyJson, { maxLength: 6 }), partLengths, async (all, lengths) => {
        const objects = all.map((value) => ({ value }));
        const text = objects.map((value) => `${JSON.stringify(value)}\r\n\n`).join('');
        expect(await values(readJsonLines, text, lengths)).toEqual(objects);
      }),
    );
    const placed = await collect(readJsonLines, '\n{"a":1}\n  \t\n{"b":2}');
    expect(placed.map(({ line }) => line)).toEqual([2, 4]);
  });

  it('reads a value of 60 MB in time that grows with its length', async () => {
    const time = async (length: number): Promise<number> => {
      const text = JSON.stringify({ text: 'word '.repeat(length / 5) });
      const started = performance.now();
      const [value] = await values(readJsonLines, text, [65_536]);
      expect((value as { text: string }).text).toHaveLength(length);
      return performance.now() - started;
    };
    await time(15e6);
    const [small, large] = [await time(15e6), await time(60e6)];
    // With the square of the length it would be 16 times as long.
    expect(large).toBeLessThan(9 * small + 500);
  });
});

describe('readJsonValues', () => {
  it('reads the items of an array, and values one after another, on any number of lines', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyJson, { maxLength: 6 }), partLengths, async (all, lengths) => {
        for (const indent of [0, 2]) {
          const array = JSON.stringify(all, null, indent);
          expect(await values(readJsonValues, `\ufeff ${array}\n`, lengths)).toEqual(all);
          expect(await values(readJsonLines, array, lengths)).toEqual(all);
          const objects = all.map((value) => ({ value }));
          const text = objects.map((value) => JSON.stringify(value, null, indent)).join('\n');
          expect(await values(readJsonValues, text, lengths)).toEqual(objects);
        }
      }),
    );
  });

  it('reads NaN and Infinity outside of texts as null', async () => {
    const text = '[{"a": NaN, "b": -Infinity, "c": "NaN \\" Infinity", "NaN": [Infinity, 1]}]';
    const expected = [{ a: null, b: null, c: 'NaN " Infinity', NaN: [null, 1] }];
    expect(await values(readJsonValues, text)).toEqual(expected);
    expect(await values(readJsonLines, text.slice(1, -1))).toEqual(expected);
  });

  it('reads byte order marks before a line', async () => {
    expect(await values(readJsonLines, '\ufeff{"a":1}\n\ufeff{"a":2}\n\ufeff\n')).toEqual([
      { a: 1 },
      { a: 2 },
    ]);
  });

  it.each([
    ['[{"a":1}', 'within its array'],
    ['[{"a":1},', 'within its array'],
    ['[{"a":"x', 'within a value'],
    ['[{"a":1}] x', 'after the end of its array'],
    ['[{"a":1} {"a":2}]', 'a comma is missing'],
    ['[,1]', 'no value before ","'],
    ['[1,]', 'no value before "]"'],
    ['[1}', 'a comma is missing'],
    ['{"a":1', 'within a value'],
    ['{"a":1}}', 'no value before "}"'],
    ['[{"a":tru}]', 'it is not JSON'],
    ['[nope]', 'it is not JSON'],
  ])('refuses %s', async (text, why) => {
    for (const lengths of [[1], [100]]) {
      const { message } = await expectAppError('data/bad-line', () => values(readJsonValues, text, lengths));
      expect(message).toContain(why);
    }
  });
});
