import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { parseMarkdown, toSlug, type Block, type Inline } from '../../../src-renderer/state/markdown.ts';
import { documents, helpPlaces, resolveLink, type DocumentId } from '../../../src-renderer/state/help.ts';

const text = (value: string): Inline => ({ kind: 'text', text: value });

describe('parseMarkdown', () => {
  it('reads headings, with an anchor for each', () => {
    expect(parseMarkdown('# `A` title\n\n## Same\n## Same')).toEqual([
      { kind: 'heading', level: 1, slug: 'a-title', parts: [{ kind: 'code', text: 'A' }, text(' title')] },
      { kind: 'heading', level: 2, slug: 'same', parts: [text('Same')] },
      { kind: 'heading', level: 2, slug: 'same-1', parts: [text('Same')] },
    ]);
  });

  it('joins the lines of a paragraph and of an entry', () => {
    expect(parseMarkdown('one\ntwo\n- three\n  four\n- five')).toEqual([
      { kind: 'paragraph', parts: [text('one two')] },
      { kind: 'list', isOrdered: false, items: [[text('three four')], [text('five')]] },
    ]);
    expect(parseMarkdown('1. one\n2. two')).toMatchObject([{ kind: 'list', isOrdered: true }]);
  });

  it('reads tables with bars in code', () => {
    expect(parseMarkdown('| a | b |\n| - | - |\n| `x|y` | `[A \\| B]` |')).toEqual([
      {
        kind: 'table',
        head: [[text('a')], [text('b')]],
        rows: [[[{ kind: 'code', text: 'x|y' }], [{ kind: 'code', text: '[A | B]' }]]],
      },
    ]);
  });

  it('keeps code as it is', () => {
    expect(parseMarkdown('```sh\n# no heading\n\n- no list\n```')).toEqual([
      { kind: 'code', text: '# no heading\n\n- no list' },
    ]);
  });

  it('reads emphasis and links, and leaves out images and comments', () => {
    expect(parseMarkdown('<!-- x -->\n![alt](a.png)\n\n_Hub_ **is** [a `b`](c.md#d), not_this_one')).toEqual([
      {
        kind: 'paragraph',
        parts: [
          { kind: 'emphasis', parts: [text('Hub')] },
          text(' '),
          { kind: 'strong', parts: [text('is')] },
          text(' '),
          { kind: 'link', href: 'c.md#d', parts: [text('a '), { kind: 'code', text: 'b' }] },
          text(', not_this_one'),
        ],
      },
    ]);
  });

  it('makes anchors like GitHub', () => {
    expect(toSlug('Before a run, and `x_y`: why?')).toBe('before-a-run-and-x_y-why');
  });
});

describe('the documents', () => {
  const readBlocks = (id: DocumentId): readonly Block[] =>
    parseMarkdown(readFileSync(join(import.meta.dirname, `../../../docs/${id}.md`), 'utf8'));
  const slugsOf = (id: DocumentId): readonly string[] =>
    readBlocks(id).flatMap((block) => (block.kind === 'heading' ? [block.slug] : []));
  const ids = Object.keys(documents) as DocumentId[];

  it.each(ids)('%s has a title and no table with rows of unequal length', (id) => {
    const blocks = readBlocks(id);
    expect(blocks[0]).toMatchObject({ kind: 'heading', level: 1 });
    for (const block of blocks)
      if (block.kind === 'table')
        expect(new Set([block.head, ...block.rows].map((row) => row.length)).size).toBe(1);
  });

  it('have the sections that settings and methods link to', () => {
    const places = [...helpPlaces, ...[...methods.keys()].map((at) => ({ doc: 'methods' as const, at }))];
    for (const { doc, at } of places) if (at !== undefined) expect(slugsOf(doc)).toContain(at);
  });

  it('resolve links within the app', () => {
    expect(resolveLink('#rounding', 'methods')).toBe('#/help?doc=methods&at=rounding');
    expect(resolveLink('growing.md', 'methods')).toBe('#/help?doc=growing');
    expect(resolveLink('https://x.org/', 'methods')).toBe('https://x.org/');
    expect(resolveLink('../README.md', 'methods')).toBeUndefined();
  });
});
