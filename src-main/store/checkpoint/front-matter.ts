/**
 * @file The metadata of a README.md: YAML between two lines of `---`, as huggingface_hub reads and writes it
 * (huggingface_hub/repocard.py).
 */
import { parseDocument, stringify } from 'yaml';
import { isObject } from '../fs/files.ts';

/** The line that opens the block, and that which closes it. */
const opening = /^\s*---(?=[\r\n])/;
const closing = /[\r\n]---(?=[\r\n]|$)/g;

/** The text between the lines; undefined without a block. One pattern for all of it would take cubic time. */
function findBlock(readme: string): string | undefined {
  const start = opening.exec(readme)?.[0].length;
  if (start === undefined) return undefined;
  closing.lastIndex = start + 1;
  let end = closing.exec(readme)?.index;
  if (end === undefined) return undefined;
  while (readme[end - 1] === '\r' || readme[end - 1] === '\n') end--;
  return readme.slice(start, Math.max(start, end));
}

/** Scalars are their text, as the file has it: `no`, `2024-01-01` and `1.0` are not a boolean, a date and a number. */
export type FrontMatterValue =
  string | readonly FrontMatterValue[] | { readonly [key: string]: FrontMatterValue };

export type FrontMatter = Readonly<Record<string, FrontMatterValue>>;

/** The metadata of a README.md; empty without a block, `null` if the block is not a YAML mapping. */
export function readFrontMatter(readme: string): FrontMatter | null {
  const yaml = findBlock(readme.replace(/^\uFEFF/, ''));
  if (yaml === undefined) return {};
  const document = parseDocument(yaml, { schema: 'failsafe', uniqueKeys: false, logLevel: 'silent' });
  if (document.errors.length > 0) return null;
  let value: unknown;
  try {
    // An alias may make a small file expand to a huge value, or name nothing.
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    return null;
  }
  if (value === null || value === '') return {};
  return isObject(value) ? (value as FrontMatter) : null;
}

/** The texts of a value that is one text or a list of texts. YAML's words for nothing are left out. */
export function toTexts(value: FrontMatterValue | undefined): readonly string[] {
  const items = Array.isArray(value) ? (value as readonly FrontMatterValue[]) : [value];
  return items.filter((item): item is string => typeof item === 'string' && !/^(|~|null)$/i.test(item));
}

/** Metadata to write. Keys whose value is undefined or an empty list are left out. */
export type Metadata = Readonly<Record<string, unknown>>;

/**
 * The metadata as a block with its two lines of `---`. Text that YAML 1.1 or 1.2 would read as something else is
 * quoted, because Python's YAML reads 1.1 and the Hub 1.2.
 */
export function formatFrontMatter(metadata: Metadata): string {
  const present = Object.entries(metadata).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const yaml = stringify(Object.fromEntries(present), {
    compat: 'yaml-1.1',
    indentSeq: false,
    lineWidth: 0,
    aliasDuplicateObjects: false,
  });
  return `---\n${yaml}---\n`;
}
