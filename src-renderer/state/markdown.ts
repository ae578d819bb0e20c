/** @file Parses the Markdown of the documentation: the subset that docs/*.md uses, as prettier formats it. */

export type Inline =
  | { readonly kind: 'text' | 'code'; readonly text: string }
  | { readonly kind: 'strong' | 'emphasis'; readonly parts: readonly Inline[] }
  | { readonly kind: 'link'; readonly href: string; readonly parts: readonly Inline[] };

export type Block =
  | {
      readonly kind: 'heading';
      readonly level: number;
      readonly slug: string;
      readonly parts: readonly Inline[];
    }
  | { readonly kind: 'paragraph'; readonly parts: readonly Inline[] }
  | { readonly kind: 'list'; readonly isOrdered: boolean; readonly items: readonly (readonly Inline[])[] }
  | {
      readonly kind: 'table';
      readonly head: readonly (readonly Inline[])[];
      readonly rows: readonly (readonly (readonly Inline[])[])[];
    }
  | { readonly kind: 'code'; readonly text: string };

const fence = /^```/;
const heading = /^(#{1,4}) (.+)$/;
const item = /^(?:[-*]|\d+\.) (.+)$/;
const comment = /^<!--.*-->$/;

/** Reads a document into blocks. Images and comments are left out. */
export function parseMarkdown(markdown: string): readonly Block[] {
  const lines = markdown.split(/\r?\n/);
  const blocks: Block[] = [];
  const slugs = new Map<string, number>();
  let i = 0;
  const takeWhile = (belongs: (line: string) => boolean): readonly string[] => {
    const from = i;
    while (i < lines.length && belongs(lines[i]!)) i++;
    return lines.slice(from, i);
  };
  while (i < lines.length) {
    const line = lines[i]!;
    if (line.trim() === '' || comment.test(line.trim())) {
      i++;
    } else if (fence.test(line)) {
      i++;
      blocks.push({ kind: 'code', text: takeWhile((next) => !fence.test(next)).join('\n') });
      i++;
    } else if (heading.test(line)) {
      i++;
      const [, marks, text] = heading.exec(line)!;
      const slug = toSlug(text!);
      const count = slugs.get(slug) ?? 0;
      slugs.set(slug, count + 1);
      const unique = count === 0 ? slug : `${slug}-${count}`;
      blocks.push({ kind: 'heading', level: marks!.length, slug: unique, parts: parseInline(text!) });
    } else if (line.startsWith('|')) {
      const [head = '', , ...rows] = takeWhile((next) => next.startsWith('|'));
      blocks.push({ kind: 'table', head: parseRow(head), rows: rows.map(parseRow) });
    } else if (item.test(line)) {
      blocks.push({ kind: 'list', isOrdered: /^\d/.test(line), items: readItems(takeWhile(isInList)) });
    } else {
      const text = takeWhile((next) => next.trim() !== '' && !startsBlock(next)).join(' ');
      const parts = parseInline(text);
      if (parts.length > 0) blocks.push({ kind: 'paragraph', parts });
    }
  }
  return blocks;
}

const startsBlock = (line: string): boolean =>
  fence.test(line) || heading.test(line) || item.test(line) || line.startsWith('|');
/** An entry of a list, or a line that continues one. */
const isInList = (line: string): boolean => item.test(line) || /^ +\S/.test(line);

function readItems(lines: readonly string[]): readonly (readonly Inline[])[] {
  const items: string[] = [];
  for (const line of lines) {
    const text = item.exec(line)?.[1];
    if (text === undefined) items.push(`${items.pop() ?? ''} ${line.trim()}`);
    else items.push(text);
  }
  return items.map(parseInline);
}

/** The anchor of a heading, as GitHub makes it. */
export const toSlug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/** The cells of a row of a table; `\|` and a bar in code do not end a cell. */
function parseRow(line: string): readonly (readonly Inline[])[] {
  const cells = [...line.trim().matchAll(/(?:`[^`]*`|\\\||[^|])+/g)].map(([cell]) => cell);
  return cells.map((cell) => parseInline(cell.trim().replaceAll('\\|', '|')));
}

const inline = new RegExp(
  [
    '`(?<code>[^`]+)`',
    '!\\[[^\\]]*\\]\\([^)]*\\)',
    '\\[(?<label>(?:`[^`]*`|[^\\]`])+)\\]\\((?<href>[^)]+)\\)',
    '\\*\\*(?<strong>[^*]+)\\*\\*',
    '(?<!\\w)_(?<emphasis>[^_]+)_(?!\\w)',
  ].join('|'),
  'gu',
);

function parseInline(text: string): readonly Inline[] {
  const parts: Inline[] = [];
  let end = 0;
  const addText = (until: number): void => {
    if (until > end) parts.push({ kind: 'text', text: text.slice(end, until) });
  };
  for (const match of text.matchAll(inline)) {
    const { code, label, href, strong, emphasis } = match.groups!;
    addText(match.index);
    end = match.index + match[0].length;
    if (code !== undefined) parts.push({ kind: 'code', text: code });
    else if (label !== undefined) parts.push({ kind: 'link', href: href!, parts: parseInline(label) });
    else if (strong !== undefined) parts.push({ kind: 'strong', parts: parseInline(strong) });
    else if (emphasis !== undefined) parts.push({ kind: 'emphasis', parts: parseInline(emphasis) });
  }
  addText(text.length);
  return parts;
}
