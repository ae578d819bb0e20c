/** @file Token files of nanoGPT, llm.c and Megatron-LM as training text. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { decodeTokenFile, readTokenLayout } from '../../../src-main/store/data/token-import.ts';
import { readTokenSummary } from '../../../src-main/store/data/token-files.ts';
import { openTokens } from '../../../src-main/store/data/tokenize.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { tinyVocab } from '../../support/tiny.ts';
import { tokenize, tokenizerDir, writeTextFile } from './samples.ts';

const { eos } = await openTokenizer(tokenizerDir, tinyVocab);
const documents = [
  [5, 6, 7, eos!],
  [8, 9, eos!],
  [10, 11, 12, 13, eos!],
];
const ids = documents.flat();

const write = (name: string, ...parts: readonly (Buffer | ArrayBufferView)[]): string => {
  const path = join(freshFolder(), name);
  const toBuffer = (part: ArrayBufferView): Buffer =>
    Buffer.from(part.buffer as ArrayBuffer, part.byteOffset, part.byteLength);
  writeFileSync(path, Buffer.concat(parts.map(toBuffer)));
  return path;
};

/** Header of llm.c: 256 int32. */
function llmHeader(magic: number, tokens: number): Int32Array {
  const header = new Int32Array(256);
  header.set([magic, magic === 20_240_520 ? 1 : 7, tokens]);
  return header;
}

/** An index of Megatron-LM with one sequence per document. */
function megatronIndex(code: number, width: number): Buffer {
  const header = Buffer.alloc(34);
  header.write('MMIDIDX\0\0', 'latin1');
  header.writeBigUInt64LE(1n, 9);
  header.writeUInt8(code, 17);
  header.writeBigUInt64LE(BigInt(documents.length), 18);
  header.writeBigUInt64LE(BigInt(documents.length + 1), 26);
  const sizes = Int32Array.from(documents.map(({ length }) => length));
  let at = 0;
  const pointers = BigInt64Array.from(documents, ({ length }) => {
    const pointer = BigInt(at * width);
    at += length;
    return pointer;
  });
  const ends = BigInt64Array.from({ length: documents.length + 1 }, (_, i) => BigInt(i));
  return Buffer.concat([header, ...[sizes, pointers, ends].map((part) => Buffer.from(part.buffer))]);
}

function writeMegatron(code: 4 | 8): string {
  const tokens = code === 8 ? Uint16Array.from(ids) : Int32Array.from(ids);
  const path = write('corpus_text_document.bin', tokens);
  writeFileSync(path.replace(/bin$/, 'idx'), megatronIndex(code, tokens.BYTES_PER_ELEMENT));
  return path;
}

describe('token files of other programs', () => {
  it.each([
    ['nanoGPT', () => write('train.bin', Uint16Array.from(ids))],
    ['llm.c', () => write('train.bin', llmHeader(20_240_520, ids.length), Uint16Array.from(ids))],
    ['llm.c', () => write('train.bin', llmHeader(20_240_801, ids.length), Uint32Array.from(ids))],
    ['Megatron-LM', () => writeMegatron(8)],
    ['Megatron-LM', () => writeMegatron(4)],
  ])('are read as the tokens that they have (%s)', async (format, make) => {
    const path = make();
    expect((await readTokenLayout(path)).format).toBe(format);
    const { folders, tokens, bytes, documents: count } = await tokenize([path]);
    expect({ tokens, count }).toEqual({ tokens: ids.length, count: documents.length });
    expect(bytes).toBeGreaterThan(0);
    const opened = await openTokens(folders);
    expect([...opened.read(0, ids.length)]).toEqual(ids);
    expect([...opened.documentStarts]).toEqual([0, 4, 7]);
    opened.close();
  });

  it('reads the token files that Cambium wrote', async () => {
    const text = await tokenize([writeTextFile('the thing in the hat')]);
    const summary = await readTokenSummary(text.folders[0]!);
    const again = await tokenize([join(text.folders[0]!, summary.parts[0]!.file)]);
    expect(again.tokens).toBe(text.tokens);
  });

  it('decodes the beginning', async () => {
    const tokenizer = await openTokenizer(tokenizerDir, tinyVocab);
    const text = 'the thing in the hat';
    const tokens = await tokenizer.encode(text);
    const path = write('train.bin', Uint16Array.from([...tokens, eos!, ...tokens]));
    const found: string[] = [];
    for await (const part of decodeTokenFile(path, tokenizer)) found.push(part.text);
    expect(found).toEqual([text, text]);
  });

  it('refuses tokens that the model does not have, torn files, and a missing index', async () => {
    const large = await expectAppError('data/token-range', () =>
      tokenize([write('train.bin', Uint16Array.from([1, 2, 60_000]))]),
    );
    expect(large.detail).toMatchObject({ token: 60_000, at: 2 });
    const bad = (path: string): Promise<unknown> =>
      expectAppError('data/bad-token-file', () => tokenize([path]));
    await bad(write('train.bin', Buffer.from([1, 2, 3])));
    await bad(write('train.bin', llmHeader(20_240_520, ids.length + 1), Uint16Array.from(ids)));
    await bad(write('corpus_text_document.bin', Uint16Array.from(ids)));
    const torn = writeMegatron(4);
    const index = megatronIndex(4, 4);
    for (const bytes of [
      index.subarray(0, -8),
      Buffer.from('MMIDIDX'),
      megatronIndex(7, 4),
      megatronIndex(8, 2),
    ]) {
      writeFileSync(torn.replace(/bin$/, 'idx'), bytes);
      await bad(torn);
    }
  });
});
