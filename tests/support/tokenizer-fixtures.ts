/**
 * @file The golden tokenizers of tests/fixtures/tokenizers: what Python's tokenizers and transformers give for
 * difficult texts. tests/parity/make-*tokenizer*-golden.py make them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { freePath } from './temporary.ts';

const fixtures = join(import.meta.dirname, '../fixtures');

const readPacked = <T>(name: string): T =>
  JSON.parse(zstdDecompressSync(readFileSync(join(fixtures, 'tokenizers', name))).toString('utf8')) as T;

/** The difficult texts by name. */
export const difficultTexts = JSON.parse(
  readFileSync(join(fixtures, 'text/difficult.json'), 'utf8'),
) as Readonly<Record<string, string>>;

interface Golden {
  readonly name: string;
}

/** A tiny tokenizer with one component, and what Python's tokenizers gives. */
export interface ComponentCase extends Golden {
  readonly tokenizer: object;
  /** Ids of each difficult text. */
  readonly ids: readonly (readonly number[])[];
  /** The tokens, and the ids without special tokens, of the texts 6 to 11. */
  readonly tokens: readonly (readonly string[])[];
  readonly plain: readonly (readonly number[])[];
  /** Random ids. */
  readonly random: readonly (readonly number[])[];
  /** The decoded text of `ids` and `random`. */
  readonly decoded?: readonly string[];
  /** The same of `random`, with special tokens. */
  readonly decodedWithSpecial?: readonly string[];
}

/** What AutoTokenizer of transformers gives. */
interface AutoResult {
  readonly class: string;
  readonly ids: readonly (readonly number[])[];
  readonly decoded: readonly string[];
}

/** A real tokenizer, cut down to what the difficult texts need. */
export interface RealCase extends Golden {
  readonly package: string;
  readonly version: string;
  readonly files: Readonly<Record<string, string>>;
  /** What Python's tokenizers gives with tokenizer.json as it is. */
  readonly plain: readonly (readonly number[])[] | null;
  readonly auto: AutoResult;
  readonly random: readonly (readonly number[])[];
  readonly randomDecoded: readonly string[];
}

/** A folder with a combination of files and settings. */
export interface FolderCase extends Golden, AutoResult {
  readonly files: Readonly<Record<string, string>>;
  readonly eos: number | null;
  readonly bos: number | null;
  readonly cleaned: string;
}

/** A tokenizer of a bug report, with a text and what Python's tokenizers gives. */
export interface ReportedCase extends Golden {
  readonly files: Readonly<Record<string, string>>;
  readonly text: string;
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

export const readReportedCases = (): readonly ReportedCase[] => readPacked('reported.json.zst');
export const readComponentCases = (): readonly ComponentCase[] =>
  readPacked<{ cases: readonly ComponentCase[] }>('components.json.zst').cases;
export const readRealCases = (): readonly RealCase[] =>
  readPacked<{ cases: readonly RealCase[] }>('real.json.zst').cases;
export const readFolderCases = (): {
  readonly texts: readonly string[];
  readonly cases: readonly FolderCase[];
} => readPacked('folders.json.zst');

/** Writes files into a new folder and returns its path. */
export function writeTokenizerFolder(files: Readonly<Record<string, string>>): string {
  const dir = freePath('tokenizer');
  mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

/** The folder of a component: its tokenizer.json alone. */
export const writeComponentFolder = ({ tokenizer }: ComponentCase): string =>
  writeTokenizerFolder({ 'tokenizer.json': JSON.stringify(tokenizer) });
