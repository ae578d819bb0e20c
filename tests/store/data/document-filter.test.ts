/** @file Documents that are left out, with counts. */
import { describe, expect, it } from 'vitest';
import { noFilter, type TextFilter } from '../../../src-main/base/text-filter.ts';
import {
  canonicalLanguage,
  createDocumentFilter,
  detectLanguage,
} from '../../../src-main/store/data/document-filter.ts';
import { createSeenHashes, hashDocument } from '../../../src-main/store/data/seen-hashes.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { tokenize, writeTextFile } from './samples.ts';

const lines = (texts: readonly string[]): string => texts.map((text) => JSON.stringify({ text })).join('\n');
const english =
  'The people of the town walked along the river and talked about the weather of the last days.';
const german = 'Die Leute der Stadt gingen am Fluss entlang und sprachen über das Wetter der letzten Tage.';
const french =
  'Les gens de la ville marchaient le long de la rivière et parlaient du temps des derniers jours.';

describe('createDocumentFilter', () => {
  const reasonsOf = (rule: Partial<TextFilter>, texts: readonly string[]): readonly unknown[] => {
    const filter = createDocumentFilter({ ...noFilter, ...rule });
    return texts.map((text) => filter.check(text).reason);
  };

  it('gives the first reason', () => {
    expect(reasonsOf({ minCharacters: 3, maxCharacters: 5 }, ['ab', 'abc', 'abcde', 'abcdef'])).toEqual([
      'short',
      undefined,
      undefined,
      'long',
    ]);
    expect(reasonsOf({ dedupe: true }, ['a', 'b', 'a', 'A'])).toEqual([
      undefined,
      undefined,
      'duplicate',
      undefined,
    ]);
    expect(reasonsOf({ languages: ['en', 'fr'] }, [english, german, french])).toEqual([
      undefined,
      'language',
      undefined,
    ]);
  });

  it('knows a language by any of its codes', async () => {
    expect([english, german, french].map(detectLanguage)).toEqual(['en', 'de', 'fr']);
    expect(['eng', 'EN', 'en'].map(canonicalLanguage)).toEqual(['en', 'en', 'en']);
    await expectAppError('run/bad-setting', async () => canonicalLanguage('not a language'));
  });
});

describe('createSeenHashes', () => {
  it('knows 50,000 hashes', () => {
    const seen = createSeenHashes();
    const hashes = Array.from({ length: 50_000 }, (_, i) => hashDocument(`text ${i}`));
    expect(hashes.every((hash) => seen.add(hash))).toBe(true);
    expect(hashes.some((hash) => seen.add(hash))).toBe(false);
    expect(seen.size).toBe(50_000);
  });
});

describe('tokenizeFiles with a filter', () => {
  it('counts what it leaves out, also across files and from the cache', async () => {
    const first = writeTextFile(lines(['one text', 'another text', 'one text', '']), 'jsonl');
    const second = writeTextFile(lines(['another text', 'a third text', 'x']), 'jsonl');
    const filter = { ...noFilter, dedupe: true, minCharacters: 3 };
    const expected = { documents: 3, leftOut: { missing: 0, empty: 1, duplicate: 2, short: 1 } };
    expect(await tokenize([first, second], { filter })).toMatchObject({ ...expected, cached: false });
    expect(await tokenize([first, second], { filter })).toMatchObject({ ...expected, cached: true });
    // Alone, the second file has no duplicate.
    expect(await tokenize([second], { filter })).toMatchObject({ documents: 2, cached: false });
    const third = writeTextFile(lines(['one text', 'the last']), 'jsonl');
    expect(await tokenize([first, second, third], { filter })).toMatchObject({ documents: 4 });
    expect(await tokenize([first, second])).toMatchObject({
      documents: 6,
      leftOut: { missing: 0, empty: 1 },
    });
  });

  it('applies to plain text', async () => {
    const files = ['same text', 'same text', 'other'].map((text) => writeTextFile(text));
    const filter = { ...noFilter, dedupe: true };
    expect(await tokenize(files, { filter })).toMatchObject({ documents: 2, leftOut: { duplicate: 1 } });
  });
});
