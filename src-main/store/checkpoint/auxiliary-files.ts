/** @file The files of a checkpoint besides config.json and the weights: tokenizer, generation config, license. */
import { chmod, copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readOrRefuse } from '../fs/files.ts';
import { findInside } from '../fs/inside.ts';

/** Patterns of the names that transformers and tokenizers read besides config.json and the weights. */
export const auxiliaryPatterns: readonly string[] = [
  'generation_config\\.json',
  'tokenizer.*\\.json',
  'tokenizer\\.model',
  'special_tokens_map\\.json',
  'added_tokens\\.json',
  'vocab\\..+',
  'merges\\.txt',
  'chat_template\\.(jinja|json)',
];

/** A pattern of whole file names, in any case. */
export const createNamePattern = (patterns: readonly string[]): RegExp =>
  new RegExp(`^(${patterns.join('|')})$`, 'i');

const auxiliaryName = createNamePattern([...auxiliaryPatterns, 'licen[sc]e.*', 'notice.*']);

export interface AuxiliaryFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/**
 * Lists tokenizer, generation config and license files of `dir`, sorted by name. Refuses as `findInside`: a
 * link must not bring another file into a copy.
 */
export async function listAuxiliaryFiles(dir: string): Promise<readonly AuxiliaryFile[]> {
  const names = (await readOrRefuse(dir, () => readdir(dir)))
    .filter((name) => auxiliaryName.test(name))
    .sort();
  const entries = await Promise.all(
    names.map(async (name) => {
      const path = (await findInside(dir, name))!;
      return { name, path, found: await readOrRefuse(path, () => stat(path)) };
    }),
  );
  return entries
    .filter(({ found }) => found.isFile())
    .map(({ name, path, found }) => ({ name, path, bytes: found.size }));
}

/** Copies the files into `folder`, byte for byte. */
export async function copyAuxiliaryFiles(files: readonly AuxiliaryFile[], folder: string): Promise<void> {
  for (const { name, path } of files) {
    const copy = join(folder, name);
    await copyFile(path, copy);
    await chmod(copy, 0o644); // copyFile keeps the mode, and the source may be read-only
  }
}
