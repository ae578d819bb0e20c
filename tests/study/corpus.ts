/**
 * @file Builds the study's text from Debian's packages: fetches them with apt-get, checks their hashes, takes their
 * documents, each once, and splits them by document. Both parts are in the order of the documents' hashes, so that
 * neither depends on the order of the packages.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { textPackages, type TextPackage } from './packages.ts';

/** Share of the documents, by their hashes, that is never trained on. */
const heldOutShare = 0.02;

const partSchema = z.object({ documents: z.number(), bytes: z.number(), sha256: z.string() });
const corpusSchema = z.object({
  /** Where the text is from, as sentences for the report. */
  sources: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      licence: z.string(),
      sha256: z.string(),
      documents: z.number(),
      bytes: z.number(),
    }),
  ),
  train: partSchema,
  heldOut: partSchema,
});
export type CorpusSummary = z.infer<typeof corpusSchema>;

export interface Corpus extends CorpusSummary {
  /** The files of the parts: one document per line, in the field `text`. */
  readonly trainFile: string;
  readonly heldOutFile: string;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** Opens the corpus in `dir`, or builds it there. With `anyVersion`, takes the archive's versions as they are. */
export async function openCorpus(dir: string, { anyVersion = false } = {}): Promise<Corpus> {
  const summaryFile = join(dir, 'corpus.json');
  const files = { trainFile: join(dir, 'train.jsonl'), heldOutFile: join(dir, 'held-out.jsonl') };
  if (existsSync(summaryFile))
    return { ...corpusSchema.parse(JSON.parse(readFileSync(summaryFile, 'utf8'))), ...files };
  const temporary = `${dir}.partial`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(join(temporary, 'packages'), { recursive: true });
  const seen = new Set<string>();
  const documents: Document[] = [];
  const sources = textPackages.map((wanted) => {
    const { archive, version } = fetchPackage(wanted, join(temporary, 'packages'), anyVersion);
    const found = readPackage(wanted, archive).filter(({ hash }) => !seen.has(hash) && seen.add(hash));
    for (const document of found) documents.push(document);
    const { name, licence } = wanted;
    const bytes = sumOf(found.map(({ text }) => Buffer.byteLength(text)));
    return { name, version, licence, sha256: sha256(readFileSync(archive)), documents: found.length, bytes };
  });
  return writeCorpus(dir, documents, sources);
}

/** The corpus in `dir`, or made there from a folder of .jsonl files with the field `text`, such as FineWeb. */
export async function openOwnText(dir: string, folder: string): Promise<Corpus> {
  if (existsSync(join(dir, 'corpus.json'))) return openCorpus(dir);
  const documents = new Map<string, Document>();
  const files = readdirSync(folder).filter((file) => file.endsWith('.jsonl'));
  if (files.length === 0) throw new Error(`${folder} has no .jsonl files.`);
  for (const file of files.sort())
    for await (const line of createInterface({ input: createReadStream(join(folder, file)) })) {
      if (line.trim() === '') continue;
      const { text } = documentSchema.parse(JSON.parse(line));
      const hash = sha256(text);
      documents.set(hash, { hash, text });
    }
  return writeCorpus(dir, [...documents.values()], []);
}

const documentSchema = z.object({ text: z.string() });

/** Splits documents by their hashes and writes both parts, complete or not at all. */
async function writeCorpus(
  dir: string,
  documents: readonly Document[],
  sources: CorpusSummary['sources'],
): Promise<Corpus> {
  const temporary = `${dir}.partial`;
  mkdirSync(temporary, { recursive: true });
  const sorted = [...documents].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const isHeldOut = ({ hash }: Document): boolean => parseInt(hash.slice(0, 8), 16) / 2 ** 32 < heldOutShare;
  const train = sorted.filter((one) => !isHeldOut(one));
  const summary: CorpusSummary = {
    sources,
    train: await writePart(join(temporary, 'train.jsonl'), train),
    heldOut: await writePart(join(temporary, 'held-out.jsonl'), sorted.filter(isHeldOut)),
  };
  rmSync(join(temporary, 'packages'), { recursive: true, force: true });
  writeFileSync(join(temporary, 'corpus.json'), `${JSON.stringify(summary, null, 2)}\n`);
  mkdirSync(dirname(dir), { recursive: true });
  renameSync(temporary, dir);
  return openCorpus(dir);
}

interface Document {
  readonly hash: string;
  readonly text: string;
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

async function writePart(path: string, documents: readonly Document[]): Promise<CorpusSummary['train']> {
  const stream = createWriteStream(path);
  const hash = createHash('sha256');
  let bytes = 0;
  for (const { text } of documents) {
    const line = `${JSON.stringify({ text })}\n`;
    hash.update(line);
    bytes += Buffer.byteLength(text);
    if (!stream.write(line)) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
  return { documents: documents.length, bytes, sha256: hash.digest('hex') };
}

/** Downloads a package with apt-get. Throws an error that names the remedy if its version or its bytes are others. */
function fetchPackage(
  { name, version, sha256: expected }: TextPackage,
  folder: string,
  anyVersion: boolean,
): { readonly archive: string; readonly version: string } {
  const wanted = anyVersion ? name : `${name}=${version}`;
  const remedy =
    'Run "apt-get update", use --any-version to take what the archive has now, or --text DIR for a text of your own.';
  try {
    execFileSync('apt-get', ['download', wanted], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    throw new Error(`apt-get cannot download ${wanted}: ${(error as Error).message.trim()}. ${remedy}`);
  }
  const file = readdirSync(folder).find((one) => one.startsWith(`${name}_`))!;
  const archive = join(folder, file);
  const found = sha256(readFileSync(archive));
  if (!anyVersion && found !== expected)
    throw new Error(`${file} has the SHA-256 ${found}, not ${expected}. ${remedy}`);
  return { archive, version: decodeURIComponent(file.split('_')[1]!) };
}

/** The documents of a .deb file. */
function readPackage({ documents }: TextPackage, archive: string): readonly Document[] {
  const root = `${archive}.files`;
  execFileSync('dpkg-deb', ['--extract', archive, root]);
  const texts =
    documents.kind === 'dictionary'
      ? readDictionary(join(root, documents.file))
      : readFiles(join(root, documents.folder), documents.ends, documents.without ?? []);
  rmSync(root, { recursive: true, force: true });
  return texts
    .map((text) => text.trim())
    .filter((text) => text !== '' && !text.includes('\uFFFD'))
    .map((text) => ({ hash: sha256(text), text }));
}

/** Digits of dictd's numbers, most significant first. */
const dictDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const readDictNumber = (digits: string): number =>
  [...digits].reduce((value, digit) => value * 64 + dictDigits.indexOf(digit), 0);

/** The entries of a dictionary, without those about the dictionary itself. */
function readDictionary(file: string): readonly string[] {
  const data = gunzipSync(readFileSync(`${file}.dict.dz`));
  return readFileSync(`${file}.index`, 'utf8')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([headword, , length]) => length !== undefined && !headword!.startsWith('00-database'))
    .map(([, offset, length]) => {
      const from = readDictNumber(offset!);
      return data.toString('utf8', from, from + readDictNumber(length!));
    });
}

function readFiles(root: string, ends: readonly string[], without: readonly string[]): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => ends.some((end) => path.endsWith(end) || path.endsWith(`${end}.gz`)))
    .filter((path) => !without.some((folder) => path.slice(root.length).split('/').includes(folder)))
    .sort()
    .map((path) => {
      const data = readFileSync(path);
      return (path.endsWith('.gz') ? gunzipSync(data) : data).toString('utf8');
    });
}
