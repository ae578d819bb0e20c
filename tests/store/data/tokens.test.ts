import {
  appendFileSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutOf, documentPieces, piecesOf, readText } from '../../../src-main/store/data/text.ts';
import { tokenizeFile } from '../../../src-main/store/data/token-writer.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { openTokens, tokenizeFiles, type TokenizeRequest } from '../../../src-main/store/data/tokens.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { tinyVocab, writeTinyTokenizer } from '../../support/tiny.ts';

const dir = freshFolder();
const cache = freePath('cache');
writeTinyTokenizer(dir);
const tokenizer = await openTokenizer(dir);
function textFile(content: string | Uint8Array, extension = 'txt'): string {
  const path = join(freshFolder(), `text.${extension}`);
  writeFileSync(path, content);
  return path;
}
const tokenize = (files: readonly string[], more: Partial<TokenizeRequest> = {}) =>
  tokenizeFiles({ data: files, tokenizer: dir, vocab: tinyVocab, cache, ...more });
const allOf = async (folders: readonly string[], options?: { small: number }) => {
  const tokens = await openTokens(folders, options);
  const ids = [...tokens.read(0, tokens.length)];
  const documents = [...tokens.documents];
  tokens.close();
  return { ids, documents, bytes: tokens.bytes };
};
const lines = (n: number): string =>
  Array.from({ length: n }, (_, i) => `Line ${i}: the thing in the über hat.`).join('\n');

describe('pieces', () => {
  const text = fc
    .array(
      fc.constantFrom(
        'the ',
        'x',
        '\n',
        '\n\n',
        ' ',
        '🎉',
        'y'.repeat(3000),
        'line\n'.repeat(500),
        '🎉'.repeat(9000),
        ' '.repeat(5000),
      ),
      { maxLength: 40 },
    )
    .map((all) => all.join(''));

  it('join to the text, are bounded, never split a character', () => {
    fc.assert(
      fc.property(text, (all) => {
        const pieces = [...piecesOf(all)];
        expect(pieces.join('') === all).toBe(true);
        expect(
          pieces.every((piece) => piece.length > 0 && piece.length <= 65_536 && piece.isWellFormed()),
        ).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('are the same from a file as from memory, however the file is read', async () => {
    await fc.assert(
      fc.asyncProperty(text, async (all) => {
        fc.pre(all !== '');
        const found: { text: string; first: boolean; last: boolean }[] = [];
        for await (const piece of documentPieces(textFile(all), () => undefined)) found.push(piece);
        expect(found.map((piece) => piece.text).join('|') === [...piecesOf(all)].join('|')).toBe(true);
        expect(found.map((piece) => [piece.first, piece.last])).toEqual(
          found.map((_, i) => [i === 0, i === found.length - 1]),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('end at a single line break between words where there is one', () => {
    const all = `${'a'.repeat(9000)}\n\n${'b'.repeat(10)}\nc${'d '.repeat(100)}`;
    expect(cutOf(all, false)).toBe(9013);
    expect(cutOf('short', false)).toBe(0);
    expect(cutOf('short', true)).toBe(5);
  });
});

describe('a token file', () => {
  it('has the layout of product.md 6.2, and the tokens of the text with an end after each document', async () => {
    const content = lines(2000);
    const { folders, tokens, bytes, documents, cached } = await tokenize([textFile(content)]);
    const [folder] = folders;
    const file = readFileSync(join(folder!, 'tokens-00000.bin'));
    const header = new Int32Array(new Uint8Array(file.subarray(0, 1024)).buffer);
    expect([...header.subarray(0, 5)]).toEqual([278895051, 1, tokens, 2, 0]);
    expect(file.length).toBe(1024 + 2 * tokens);
    expect([bytes, documents, cached]).toEqual([Buffer.byteLength(content), 1, false]);
    const expected = [...tokenizer.encode(content), 0];
    expect(await allOf(folders)).toEqual({ ids: expected, documents: [0], bytes });
    expect(await allOf(folders, { small: 0 })).toEqual({ ids: expected, documents: [0], bytes });
  });

  it('has four bytes a token when the model has more than 65536 rows', async () => {
    const { folders, tokens } = await tokenize([textFile(lines(5))], { vocab: 65_537 });
    expect(readFileSync(join(folders[0]!, 'tokens-00000.bin')).length).toBe(1024 + 4 * tokens);
    expect((await allOf(folders, { small: 0 })).ids).toEqual([...tokenizer.encode(lines(5)), 0]);
  });

  it('of a .jsonl file has a document a line; files follow one another', async () => {
    const texts = ['the first', 'línea "dos"\n\nwith breaks', '', '🎉'.repeat(40_000), '\ud800'];
    const many = textFile(
      `${texts.map((text) => JSON.stringify({ id: 1, text })).join('\r\n')}\n\n`,
      'jsonl',
    );
    const one = textFile('alone');
    const { folders, documents, bytes } = await tokenize([many, one, many]);
    const wanted = texts.filter((text) => text !== '').map((text) => text.toWellFormed());
    const each = wanted.map((text) => [...tokenizer.encode(text), 0]);
    const all = [...each, [...tokenizer.encode('alone'), 0], ...each];
    const found = await allOf(folders);
    expect(found.ids).toEqual(all.flat());
    expect(found.documents).toEqual(
      all.reduce<number[]>((starts, ids) => [...starts, starts.at(-1)! + ids.length], [0]).slice(0, -1),
    );
    expect(documents).toBe(9);
    const tokens = await openTokens(folders);
    const numbers = [...tokens.documentsOf(0, tokens.length)];
    expect(numbers).toEqual(all.flatMap((ids, i) => ids.map(() => i)));
    expect([...tokens.documentsOf(3, 5)]).toEqual(numbers.slice(3, 8));
    tokens.close();
    expect(bytes).toBe(2 * wanted.reduce((n, text) => n + Buffer.byteLength(text), 0) + 5);
  });

  it('that is full is followed by the next; windows cross the border', async () => {
    const path = textFile(lines(50));
    const { folder } = await tokenizeFile(path, tokenizer, { vocab: tinyVocab, cache, most: 100 });
    expect(readdirSync(folder).filter((name) => name.endsWith('.bin')).length).toBeGreaterThan(5);
    const expected = [...tokenizer.encode(lines(50)), 0];
    const tokens = await openTokens([folder]);
    expect(tokens.length).toBe(expected.length);
    fc.assert(
      fc.property(fc.nat(expected.length), fc.nat(350), (start, length) => {
        const count = Math.min(length, expected.length - start);
        expect([...tokens.read(start, count)]).toEqual(expected.slice(start, start + count));
      }),
    );
    expect(() => tokens.read(expected.length - 3, 4)).toThrow(RangeError);
    tokens.close();
  });

  it('is made once for the same content, tokenizer and rule', async () => {
    const path = textFile(lines(30));
    const first = await tokenize([path]);
    utimesSync(path, 0, 0);
    expect(await tokenize([textFile(lines(30))])).toEqual({ ...first, cached: true });
    appendFileSync(path, '!');
    expect((await tokenize([path])).cached).toBe(false);
    expect((await tokenize([path], { vocab: 70_000 })).folders).not.toEqual(first.folders);
    expect(readdirSync(cache).some((name) => name.includes('partial'))).toBe(false);
  });

  it('that is damaged is refused', async () => {
    const { folders } = await tokenize([textFile(lines(40))]);
    const file = join(folders[0]!, 'tokens-00000.bin');
    const whole = readFileSync(file);
    truncateSync(file, 2000);
    await refusal('data/tokens-damaged', () => openTokens(folders));
    writeFileSync(file, Buffer.concat([Buffer.alloc(4), whole.subarray(4)]));
    await refusal('data/tokens-damaged', () => openTokens(folders));
    await refusal('data/tokens-damaged', () => openTokens(folders, { small: 0 }));
    writeFileSync(file, whole);
    truncateSync(join(folders[0]!, 'documents.bin'), 4);
    await refusal('data/tokens-damaged', () => openTokens(folders));
    rmSync(file);
    await refusal('data/tokens-damaged', () => openTokens(folders));
  });
});

describe('progress and cancel', () => {
  it('tells the bytes, up to all of them', async () => {
    const files = [textFile(lines(20_000)), textFile(lines(10))];
    const told: [number, number][] = [];
    await tokenize(files, {
      onProgress: (done, of) => {
        told.push([done, of]);
      },
    });
    const of = files.reduce((n, file) => n + readFileSync(file).length, 0);
    expect(told.every(([done, all], i) => all === of && done >= (told[i - 1]?.[0] ?? 0))).toBe(true);
    expect(told.at(-1)).toEqual([of, of]);
    expect(told.length).toBeGreaterThan(3);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const stop = new AbortController();
    const own = freePath('cache');
    const work = tokenize([textFile(lines(60_000))], {
      cache: own,
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    });
    await refusal('cancelled', () => work);
    expect(readdirSync(own)).toEqual([]);
    await refusal('cancelled', () => tokenize([textFile('a')], { signal: stop.signal }));
  });
});

describe('bad text', () => {
  it('that is not UTF-8 is refused with the place of the first wrong byte', async () => {
    const start = Buffer.from(`${'é'.repeat(40_000)}x`);
    for (const [what, bytes] of [
      ['a lone continuation', [0x80]],
      ['an overlong form', [0xc0, 0xaf]],
      ['half a surrogate', [0xed, 0xa0, 0x80]],
      ['a cut-off character', [0xf0, 0x9f]],
      ['a NUL', [0]],
      ['Latin-1', [0xe9, 0x20]],
    ] as const) {
      const path = textFile(Buffer.concat([start, Buffer.from(bytes)]));
      const { detail } = await refusal('file/not-text', () => tokenize([path]));
      expect(detail, what).toEqual({ path, at: start.length });
    }
    await refusal('file/not-text', () => tokenize([textFile(Buffer.from('utf-16 text', 'utf16le'))]));
  });

  it('with a character across two reads is not bad', async () => {
    for (let shift = 0; shift < 4; shift++) {
      const content = `${'x'.repeat(65_536 - shift)}🎉é`;
      expect(await readText(textFile(content))).toBe(content);
    }
    expect(await readText(textFile('\ufeffmarked'))).toBe('marked');
    expect(await readText(textFile('abcdef'), 3)).toBe('abc');
  });

  it('that is empty, absent, a folder, or not what its name says is refused', async () => {
    await refusal('data/empty', () => tokenize([textFile('')]));
    await refusal('data/empty', () => tokenize([textFile('\n\n{"text":""}\n', 'jsonl')]));
    await refusal('file/not-found', () => tokenize([freePath('none.txt')]));
    await refusal('data/no-files', () => tokenize([dir]));
    expect(
      (await refusal('data/bad-line', () => tokenize([textFile('{"text":"a"}\n{"text":\n', 'jsonl')])))
        .detail,
    ).toMatchObject({ line: 2 });
    expect(
      (await refusal('data/bad-line', () => tokenize([textFile('{"text":"a"}\n\n{"words":"a"}', 'jsonl')])))
        .detail,
    ).toMatchObject({ line: 3 });
    await refusal('data/bad-line', () => tokenize([textFile('null', 'jsonl')]));
  });

  it('whose tokens the model has no rows for is refused', async () => {
    expect(
      (await refusal('checkpoint/bad-tokenizer', () => tokenize([textFile('über')], { vocab: 100 }))).message,
    ).toContain('the model has rows for 100');
    await refusal('checkpoint/no-tokenizer', () => tokenize([textFile('a')], { tokenizer: freshFolder() }));
  });
});
