/** @file The source files of the app, for tests about the code itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

/** The paths of all files in a folder, from the root of the repository. */
export const listFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    );

export const listFolders = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

export const readSource = (path: string): string => readFileSync(join(root, path), 'utf8');

export const sourceFiles: readonly string[] = [...listFiles('src-main'), ...listFiles('src-renderer')].filter(
  (path) => /\.(ts|svelte|mjs|css)$/.test(path),
);

/** The script of a file: all of it, or the script element of a component. */
const readScript = (path: string): string =>
  path.endsWith('.svelte')
    ? (/<script[^>]*>([\s\S]*?)<\/script>/.exec(readSource(path))?.[1] ?? '')
    : readSource(path);

/** The specifiers of all imports of a file: static, dynamic, re-exports and types. */
export const listImports = (path: string): string[] =>
  ts.preProcessFile(readScript(path), true, true).importedFiles.map((file) => file.fileName);

/** The source files that each source file imports. */
export function buildImportGraph(): ReadonlyMap<string, readonly string[]> {
  const known = new Set(sourceFiles);
  return new Map(
    sourceFiles.map((path) => [
      path,
      listImports(path)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => posix.join(dirname(path), specifier))
        .filter((target) => known.has(target)),
    ]),
  );
}

/** Source text without its comments. */
export const removeComments = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '$1')
    .replace(/<!--[\s\S]*?-->/g, '');
