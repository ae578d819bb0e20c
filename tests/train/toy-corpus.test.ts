/** @file The embedded corpus is the same everywhere, does not repeat stories, and its numbers are right. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { toyCorpus, toyStory } from '../../src-main/train/toy-corpus.ts';
import { days, inWords } from '../../src-main/train/toy-words.ts';

const corpus = toyCorpus(4_000_000);
const stories = corpus.trimEnd().split('\n\n');
const numbers = new Map(Array.from({ length: 100 }, (_, n) => [inWords(n), n] as const));
/** The number that a word stands for; NaN if it is none. */
const toNumber = (word: string): number =>
  word === 'none' || word === 'no' ? 0 : (numbers.get(word) ?? NaN);

describe('the embedded corpus', () => {
  it('is the same bytes on every machine', () => {
    expect(createHash('sha256').update(corpus).digest('hex')).toBe(
      'b57341a970673f0461fbe0b2288b6de9925a80236d76239e2144f182789acff6',
    );
    expect(corpus.length).toBeGreaterThanOrEqual(4_000_000);
    expect(toyCorpus(10_000)).toBe(`${corpus.slice(0, toyCorpus(10_000).length - 1)}\n`);
  });

  it('has stories that depend only on their seed and number', () => {
    expect(stories[1234]).toBe(toyStory(0, 1234));
    expect(toyStory(1, 1234)).not.toBe(toyStory(0, 1234));
  });

  it('repeats no story', () => {
    expect(new Set(stories).size).toBe(stories.length);
  });

  it('is ASCII text without gaps in its sentences', () => {
    expect(corpus).toMatch(/^[\x20-\x7e\n]*$/);
    expect(corpus).not.toMatch(/undefined|NaN|_|  \S.*  /);
  });

  it('writes numbers in words', () => {
    expect([0, 7, 13, 20, 21, 99].map(inWords)).toEqual([
      'zero',
      'seven',
      'thirteen',
      'twenty',
      'twenty-one',
      'ninety-nine',
    ]);
    expect(numbers.size).toBe(100);
  });

  const claims: readonly (readonly [what: string, RegExp, (...words: string[]) => boolean])[] = [
    [
      'what is left after a gift',
      / had ([\w-]+) \w+ and gave ([\w-]+) to \w+; ([\w-]+) (?:was|were) left/g,
      (had, gave, rest) => toNumber(had!) - toNumber(gave!) === toNumber(rest!),
    ],
    [
      'sums',
      / had ([\w-]+) \w+\. .*? found ([\w-]+) more, which made ([\w-]+)\./g,
      (had, more, all) => toNumber(had!) + toNumber(more!) === toNumber(all!),
    ],
    [
      'shares',
      /There were ([\w-]+) \w+ for (\w+, )?\w+ and \w+\. Each got ([\w-]+)(?:, and ([\w-]+) (?:was|were) left over)/g,
      (all, third, each, rest) => toNumber(all!) === (third ? 3 : 2) * toNumber(each!) + toNumber(rest!),
    ],
    [
      'prices',
      /so [\w-]+ \w+ cost ([\w-]+) coins\. \w+ had ([\w-]+) coins?\. S?[Hh]e needed ([\w-]+) more/g,
      (cost, purse, missing) => toNumber(cost!) - toNumber(purse!) === toNumber(missing!),
    ],
    [
      'days of the week',
      /It was (\w+day)\. The fair was in (\w+) days?, on (\w+day)\./g,
      (from, ahead, to) => days[(days.indexOf(from!) + toNumber(ahead!)) % 7] === to,
    ],
    [
      'spelled words',
      /the word (\w+): \S+ It has (\w+) letters, and read from the end it is (\w+)\./g,
      (word, length, backwards) =>
        word!.length === toNumber(length!) && [...word!].reverse().join('') === backwards,
    ],
  ];
  it.each(claims)('is right about %s', (_, pattern, isRight) => {
    const found = [...corpus.matchAll(pattern)];
    expect(found.length).toBeGreaterThan(100);
    expect(found.filter((match) => !isRight(...match.slice(1))).map((match) => match[0])).toEqual([]);
  });

  it('ends each story with the gift that was promised at its beginning', () => {
    for (const story of stories.slice(0, 1000)) {
      const [, gift] = /had promised to bring \w+ \w+ an? ([\w ]+)\./.exec(story)!;
      expect(story.split('\n').at(-1)).toContain(` the ${gift!}.`);
    }
  });
});
