import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The id that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
const anchorsIn = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

describe.each(documents)('%s', (document) => {
  const text = readFileSync(join(root, document), 'utf8');

  it('names only files that exist', () => {
    const paths = [...text.matchAll(/`((?:src-main|src-renderer|tests|e2e|docs|bin|resources)\/[\w./-]+)`/g)]
      .map(([, path]) => path!)
      // NAME stands for the name of something new.
      .filter((path) => !path.includes('NAME'));
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('links only to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link]) => link!);
    const isBroken = (link: string): boolean => {
      const [file = '', anchor] = link.split('#');
      const path = file === '' ? join(root, document) : join(root, dirname(document), file);
      return !existsSync(path) || (anchor !== undefined && !anchorsIn(path).includes(anchor));
    };
    expect(links.filter(isBroken)).toEqual([]);
  });
});
