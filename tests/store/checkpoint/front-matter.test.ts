import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  formatFrontMatter,
  readFrontMatter,
  toTexts,
} from '../../../src-main/store/checkpoint/front-matter.ts';

/** The metadata of a README.md whose block is `yaml`. */
const read = (yaml: string): unknown => readFrontMatter(`---\n${yaml}\n---\n# Title\n`);

describe('readFrontMatter', () => {
  it.each([
    ['license: no', { license: 'no' }],
    ['license: on', { license: 'on' }],
    ['license_name: 2024-01-01', { license_name: '2024-01-01' }],
    ['license_name: 1.10', { license_name: '1.10' }],
    ['license: mit # the plain one', { license: 'mit' }],
    ['license: "mit"', { license: 'mit' }],
    ["license_name: 'it''s'", { license_name: "it's" }],
    ['license_name: a: b'.replace('a: b', '"a: b"'), { license_name: 'a: b' }],
    ['language:\n- en\n- no', { language: ['en', 'no'] }],
    ['language: [en, no]', { language: ['en', 'no'] }],
    ['license: >-\n  some\n  text', { license: 'some text' }],
    ['nested:\n  license: wrong\nlicense: right', { nested: { license: 'wrong' }, license: 'right' }],
    ['license: mit\nlicense: apache-2.0', { license: 'apache-2.0' }],
    ['# only a comment', {}],
  ])('reads %j', (yaml, expected) => {
    expect(read(yaml)).toEqual(expected);
  });

  it.each(['license: [mit', '- a\n- b', 'just text', 'a: "b'])('returns null for %j', (yaml) => {
    expect(read(yaml)).toBeNull();
  });

  it.each(['', '# Title\n', 'text\n---\nlicense: mit\n---\n', '---\n'])('finds no block in %j', (readme) => {
    expect(readFrontMatter(readme)).toEqual({});
  });

  it('accepts a byte order mark, empty lines before the block, and line ends of Windows', () => {
    expect(readFrontMatter('\uFEFF\r\n---\r\nlicense: mit\r\n---\r\n# Title')).toEqual({ license: 'mit' });
  });
});

describe('toTexts', () => {
  it('gives one text or many, without those that mean nothing', () => {
    expect(toTexts('mit')).toEqual(['mit']);
    expect(toTexts(['en', '', 'no', { a: 'b' }])).toEqual(['en', 'no']);
    for (const nothing of [undefined, '', '~', 'null', { a: 'b' }]) expect(toTexts(nothing)).toEqual([]);
  });
});

describe('formatFrontMatter', () => {
  const texts = [
    ...['no', 'on', 'Yes', 'y', 'null', '~', '', '2024-01-01', '1.0', '0o17', '017', '1_000', '1:30', '0x1F'],
    ...[
      'a: b',
      'a # b',
      '# a',
      '- a',
      '@a',
      '&a',
      '*a',
      '!a',
      '%a',
      '`a',
      '{a}',
      '[a]',
      'a, b',
      '"a"',
      "it's",
    ],
    ...['a\nb', ' a', 'a ', 'C:\\a\\b', 'é 日本', 'a'.repeat(500)],
  ];

  it.each(['1.1', '1.2'] as const)('writes texts that YAML %s reads as they were', (version) => {
    const written = formatFrontMatter({ texts, license: 'no', tags: ['on', 'off'] });
    const yaml = /^---\n([\s\S]*)---\n$/.exec(written)![1]!;
    expect(parse(yaml, { version })).toEqual({ texts, license: 'no', tags: ['on', 'off'] });
    expect(readFrontMatter(written)).toEqual({ texts, license: 'no', tags: ['on', 'off'] });
  });

  it('leaves out what is undefined or an empty list, and keeps the order', () => {
    expect(formatFrontMatter({ b: 'x', a: undefined, c: [], d: [1] })).toBe('---\nb: x\nd:\n- 1\n---\n');
  });
});

describe('a block', () => {
  it.each([
    ['---\r\na: b\r\n---', { a: 'b' }],
    ['  \n---\na: b\n\n\n---\nx', { a: 'b' }],
    ['---\n\n---\n', {}],
    ['---\na: b', {}],
    ['# no block', {}],
    ['---\na: *b\n---', null],
    [`---\na: &a [x]\n${Array.from({ length: 200 }, () => 'b: *a').join('\n')}\n---`, null],
  ])('of %j is read', (readme, value) => {
    expect(readFrontMatter(readme)).toEqual(value);
  });

  // A pattern for all of it takes longer than a person lives.
  it.each([
    ['line ends', `---${'\n'.repeat(1_000_000)}`],
    ['spaces', ' '.repeat(1_000_000)],
    ['lines that nearly close it', `---${'\r\n--- '.repeat(200_000)}`],
  ])('that is not closed after a million %s is none', (_, readme) => {
    expect(readFrontMatter(readme)).toEqual({});
  });
});
