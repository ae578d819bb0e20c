import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTokens } from '../../../src-main/store/data/token-files.ts';
import { tokenizeFile } from '../../../src-main/store/data/token-writer.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { tinyVocab } from '../../support/tiny.ts';
import { cacheDir, makeLines, readAllTokens, tokenize, tokenizerDir, writeTextFile } from './samples.ts';

const tokenizer = await openTokenizer(tokenizerDir);

describe('a token file', () => {
  it('has a header of 1024 bytes, then the tokens with an end-of-text token after each document', async () => {
    const content = makeLines(2000);
    const { folders, tokens, bytes, documents, cached } = await tokenize([writeTextFile(content)]);
    const [folder] = folders;
    const file = readFileSync(join(folder!, 'tokens-00000.bin'));
    const header = new Int32Array(new Uint8Array(file.subarray(0, 1024)).buffer);
    expect([...header.subarray(0, 5)]).toEqual([278895051, 1, tokens, 2, 0]);
    expect(file.length).toBe(1024 + 2 * tokens);
    expect([bytes, documents, cached]).toEqual([Buffer.byteLength(content), 1, false]);
    const expected = { ids: [...(await tokenizer.encode(content)), 0], documentStarts: [0], bytes };
    expect(await readAllTokens(folders)).toEqual(expected);
    expect(await readAllTokens(folders, { maxInMemory: 0 })).toEqual(expected);
  });

  it('has four bytes per token when the embedding has more than 65536 rows', async () => {
    const { folders, tokens } = await tokenize([writeTextFile(makeLines(5))], { vocabSize: 65_537 });
    expect(readFileSync(join(folders[0]!, 'tokens-00000.bin')).length).toBe(1024 + 4 * tokens);
    const { ids } = await readAllTokens(folders, { maxInMemory: 0 });
    expect(ids).toEqual([...(await tokenizer.encode(makeLines(5))), 0]);
  });
});

describe('openTokens', () => {
  it('reads several folders as one sequence, with the start of every document', async () => {
    const texts = ['the first', 'línea "dos"\n\nwith breaks', '', '🎉'.repeat(40_000), '\ud800'];
    const lines = texts.map((text) => JSON.stringify({ id: 1, text })).join('\r\n');
    const many = writeTextFile(`${lines}\n\n`, 'jsonl');
    const one = writeTextFile('alone');
    const { folders, documents, bytes } = await tokenize([many, one, many]);
    const kept = texts.filter((text) => text !== '').map((text) => text.toWellFormed());
    const each = await Promise.all(kept.map(async (text) => [...(await tokenizer.encode(text)), 0]));
    const all = [...each, [...(await tokenizer.encode('alone')), 0], ...each];
    const found = await readAllTokens(folders);
    expect(found.ids).toEqual(all.flat());
    const ends = all.reduce<number[]>((starts, ids) => [...starts, starts.at(-1)! + ids.length], [0]);
    expect(found.documentStarts).toEqual(ends.slice(0, -1));
    expect(documents).toBe(9);
    const tokens = await openTokens(folders);
    const documentIds = [...tokens.readDocumentIds(0, tokens.length)];
    expect(documentIds).toEqual(all.flatMap((ids, i) => ids.map(() => i)));
    expect([...tokens.readDocumentIds(3, 5)]).toEqual(documentIds.slice(3, 8));
    tokens.close();
    expect(bytes).toBe(2 * kept.reduce((n, text) => n + Buffer.byteLength(text), 0) + 5);
  });

  it('reads across the boundary of two files', async () => {
    const path = writeTextFile(makeLines(50));
    const options = { vocabSize: tinyVocab, cacheDir, maxTokensPerFile: 100 };
    const { folder } = await tokenizeFile(path, tokenizer, options);
    expect(readdirSync(folder).filter((name) => name.endsWith('.bin')).length).toBeGreaterThan(5);
    const expected = [...(await tokenizer.encode(makeLines(50))), 0];
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

  it('refuses damaged files', async () => {
    const { folders } = await tokenize([writeTextFile(makeLines(40))]);
    const file = join(folders[0]!, 'tokens-00000.bin');
    const content = readFileSync(file);
    truncateSync(file, 2000);
    await expectAppError('data/tokens-damaged', () => openTokens(folders));
    writeFileSync(file, Buffer.concat([Buffer.alloc(4), content.subarray(4)]));
    await expectAppError('data/tokens-damaged', () => openTokens(folders));
    await expectAppError('data/tokens-damaged', () => openTokens(folders, { maxInMemory: 0 }));
    writeFileSync(file, content);
    truncateSync(join(folders[0]!, 'documents.bin'), 4);
    await expectAppError('data/tokens-damaged', () => openTokens(folders));
    rmSync(file);
    await expectAppError('data/tokens-damaged', () => openTokens(folders));
  });
});
