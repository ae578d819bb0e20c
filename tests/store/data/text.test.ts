import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readText } from '../../../src-main/store/data/text.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { readDocuments, sampleTexts, tokenize, writeTextFile } from './samples.ts';

describe('streamText', () => {
  it('refuses text that is not UTF-8, with the offset of the first invalid byte', async () => {
    const start = Buffer.from(`${'é'.repeat(40_000)}x`);
    for (const [what, bytes] of [
      ['a lone continuation byte', [0x80]],
      ['an overlong encoding', [0xc0, 0xaf]],
      ['a surrogate', [0xed, 0xa0, 0x80]],
      ['a character that is cut off', [0xf0, 0x9f]],
      ['a NUL', [0]],
      ['Latin-1', [0xe9, 0x20]],
    ] as const) {
      const path = writeTextFile(Buffer.concat([start, Buffer.from(bytes)]));
      const { detail } = await expectAppError('file/not-text', () => tokenize([path]));
      expect(detail, what).toEqual({ path, at: start.length });
    }
  });

  it('names UTF-16 and UTF-32, with a byte order mark or without', async () => {
    const little = Buffer.from('plain text in two bytes each', 'utf16le');
    const big = Buffer.from(little).swap16();
    const marked = Buffer.from('\ufeffé 你好', 'utf16le');
    const wide = Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]);
    for (const [bytes, encoding] of [
      [little, 'UTF-16'],
      [big, 'UTF-16'],
      [marked, 'UTF-16'],
      [Buffer.from(marked).swap16(), 'UTF-16'],
      [wide, 'UTF-32'],
    ] as const) {
      const { detail, message } = await expectAppError('file/utf-16', () => tokenize([writeTextFile(bytes)]));
      expect(detail).toMatchObject({ encoding });
      expect(message).toContain('iconv');
    }
    const jsonl = writeTextFile(Buffer.from('\ufeff{"text":"a"}', 'utf16le'), 'jsonl');
    await expectAppError('file/utf-16', () => tokenize([jsonl]));
  });

  it('decodes a character that is split over two reads', async () => {
    for (let shift = 0; shift < 4; shift++) {
      const content = `${'x'.repeat(65_536 - shift)}🎉é`;
      expect(await readText(writeTextFile(content))).toBe(content);
    }
  });

  it('drops a byte order mark, and stops after the given length', async () => {
    expect(await readText(writeTextFile('\ufeffmarked'))).toBe('marked');
    expect(await readText(writeTextFile('abcdef'), 3)).toBe('abc');
  });

  it.each([
    ['gz', gzipSync],
    ['zst', zstdCompressSync],
  ] as const)('decompresses .%s files, and refuses one that is cut off', async (extension, compress) => {
    const lines = sampleTexts.map((text) => JSON.stringify({ text, body: 'other' })).join('\n');
    const dir = freshFolder();
    const path = join(dir, `a.jsonl.${extension}`);
    writeFileSync(path, compress(lines));
    expect(await readDocuments(path)).toEqual(sampleTexts);
    expect(await readDocuments(path, 'body')).toEqual(sampleTexts.map(() => 'other'));
    const cutOff = join(dir, `cut-off.txt.${extension}`);
    writeFileSync(cutOff, compress('x'.repeat(100_000)).subarray(0, 20));
    await expectAppError('file/bad-packing', () => readDocuments(cutOff));
  });
});
