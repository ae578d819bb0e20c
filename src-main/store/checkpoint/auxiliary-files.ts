/** @file The files of a checkpoint besides config.json and the weights: tokenizer, generation config, license. */
import { chmod, copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, readJsonIfValid, readOrRefuse, writeJson } from '../fs/files.ts';
import { findInside } from '../fs/inside.ts';
import { generationConfigFile, mendGenerationConfig } from './generation-config.ts';

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

const licensePatterns = ['licen[sc]e.*', 'notice.*'];
const licenseName = createNamePattern(licensePatterns);
const auxiliaryName = createNamePattern([...auxiliaryPatterns, ...licensePatterns]);

export interface AuxiliaryFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/**
 * Lists tokenizer, generation config and license files of `dir`, sorted by name. Refuses as `findInside`: a
 * link must not bring another file into a copy.
 */
export const listAuxiliaryFiles = (dir: string): Promise<readonly AuxiliaryFile[]> =>
  listFiles(dir, auxiliaryName);

/** As `listAuxiliaryFiles`, of license files only. */
export const listLicenseFiles = (dir: string): Promise<readonly AuxiliaryFile[]> =>
  listFiles(dir, licenseName);

async function listFiles(dir: string, pattern: RegExp): Promise<readonly AuxiliaryFile[]> {
  const entries = await readOrRefuse(dir, () => readdir(dir, { withFileTypes: true }));
  const names = entries
    .filter((entry) => !entry.isDirectory() && pattern.test(entry.name))
    .map(({ name }) => name)
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const path = (await findInside(dir, name))!;
      const { size: bytes } = await readOrRefuse(path, () => stat(path));
      return { name, path, bytes };
    }),
  );
}

/**
 * Copies the files into `folder`, byte for byte but for a generation_config.json that transformers would refuse to
 * save. Returns what was changed, as sentences without a full stop.
 */
export async function copyAuxiliaryFiles(
  files: readonly AuxiliaryFile[],
  folder: string,
): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const { name, path } of files) {
    const copy = join(folder, name);
    const changes = name === generationConfigFile ? await mendFile(path, copy) : [];
    notes.push(...changes);
    if (changes.length > 0) continue;
    await copyFile(path, copy);
    await chmod(copy, 0o644); // copyFile keeps the mode, and the source may be read-only
  }
  return notes;
}

/** Writes a generation_config.json without what is wrong in it, if anything is. Returns what was changed. */
async function mendFile(path: string, copy: string): Promise<readonly string[]> {
  const given = await readJsonIfValid(path);
  if (!isObject(given)) return [`${generationConfigFile} holds no JSON object and was not copied`];
  const { config, notes } = mendGenerationConfig(given);
  if (notes.length > 0) await writeJson(copy, config);
  return notes;
}
