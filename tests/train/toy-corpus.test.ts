/**
 * @file The embedded corpus is the same on every machine, does not repeat itself, and what it says about
 * numbers is true.
 */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { toyCorpus, toyStory } from '../../src-main/train/toy-corpus.ts';
import { days, inWords } from '../../src-main/train/toy-words.ts';

const corpus = toyCorpus(4_000_000);
const stories = corpus.trimEnd().split('\n\n');
const value = new Map(Array.from({ length: 100 }, (_, n) => [inWords(n), n] as const));
const number = (word: string): number => (word === 'none' || word === 'no' ? 0 : (value.get(word) ?? NaN));

test('the same bytes on every run and every machine', () => {
  expect(createHash('sha256').update(corpus).digest('hex')).toBe(
    'b57341a970673f0461fbe0b2288b6de9925a80236d76239e2144f182789acff6',
  );
  expect(corpus.length).toBeGreaterThanOrEqual(4_000_000);
  expect(toyCorpus(10_000)).toBe(`${corpus.slice(0, toyCorpus(10_000).length - 1)}\n`);
});

test('a story depends on its seed and its number only', () => {
  expect(stories[1234]).toBe(toyStory(0, 1234));
  expect(toyStory(1, 1234)).not.toBe(toyStory(0, 1234));
});

test('no story comes twice, nothing is unfilled, one byte a character', () => {
  expect(new Set(stories).size).toBe(stories.length);
  expect(corpus).toMatch(/^[\x20-\x7e\n]*$/);
  expect(corpus).not.toMatch(/undefined|NaN|_|  \S.*  /);
});

test('numbers in words are right', () => {
  expect([0, 7, 13, 20, 21, 99].map(inWords)).toEqual([
    'zero',
    'seven',
    'thirteen',
    'twenty',
    'twenty-one',
    'ninety-nine',
  ]);
  expect(value.size).toBe(100);
});

test('sums, shares, purses and days come out right', () => {
  const sums: [RegExp, (...w: string[]) => boolean][] = [
    [
      / had ([\w-]+) \w+ and gave ([\w-]+) to \w+; ([\w-]+) (?:was|were) left/g,
      (had, gave, rest) => number(had!) - number(gave!) === number(rest!),
    ],
    [
      / had ([\w-]+) \w+\. .*? found ([\w-]+) more, which made ([\w-]+)\./g,
      (had, more, all) => number(had!) + number(more!) === number(all!),
    ],
    [
      /There were ([\w-]+) \w+ for (\w+, )?\w+ and \w+\. Each got ([\w-]+)(?:, and ([\w-]+) (?:was|were) left over)/g,
      (all, third, each, rest) => number(all!) === (third ? 3 : 2) * number(each!) + number(rest!),
    ],
    [
      /so [\w-]+ \w+ cost ([\w-]+) coins\. \w+ had ([\w-]+) coins?\. S?[Hh]e needed ([\w-]+) more/g,
      (cost, purse, missing) => number(cost!) - number(purse!) === number(missing!),
    ],
    [
      /It was (\w+day)\. The fair was in (\w+) days?, on (\w+day)\./g,
      (from, ahead, to) => days[(days.indexOf(from!) + number(ahead!)) % 7] === to,
    ],
    [
      /the word (\w+): \S+ It has (\w+) letters, and read from the end it is (\w+)\./g,
      (word, n, back) => word!.length === number(n!) && [...word!].reverse().join('') === back,
    ],
  ];
  for (const [pattern, holds] of sums) {
    const found = [...corpus.matchAll(pattern)];
    expect(found.length).toBeGreaterThan(100);
    expect(found.filter((m) => !holds(...m.slice(1))).map((m) => m[0])).toEqual([]);
  }
});

test('the end keeps the promise of the beginning', () => {
  for (const story of stories.slice(0, 1000)) {
    const [, gift] = /had promised to bring \w+ \w+ an? ([\w ]+)\./.exec(story)!;
    expect(story.split('\n').at(-1)).toContain(` the ${gift!}.`);
  }
});
