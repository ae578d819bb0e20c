/** @file Every parser of files and messages that others write, with a valid example and how it is changed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { createChannelPair } from '../../../src-main/base/channel.ts';
import { AppError, type ErrorData } from '../../../src-main/base/errors.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import { service, type Service } from '../../../src-main/contract/service.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readFrontMatter } from '../../../src-main/store/checkpoint/front-matter.ts';
import { mendGenerationConfig } from '../../../src-main/store/checkpoint/generation-config.ts';
import { readDocuments } from '../../../src-main/store/data/documents.ts';
import { readMultipleChoiceQuestions } from '../../../src-main/store/data/multiple-choice.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { readJsonObject } from '../../../src-main/store/fs/files.ts';
import { extractEntry, readEntryText, readZipEntries } from '../../../src-main/store/gpu/zip.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { createWheel } from '../../store/gpu/wheels.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { mutateJson, mutateText } from '../stored/mutate.ts';
import type { InputKind, InputTable } from '../inputs/input-table.ts';
import { mutateBytes } from './mutate-bytes.ts';

type Mutate = InputKind['mutate'];
const asJson: Mutate = (example, dice) => Buffer.from(mutateJson(JSON.parse(example.toString()), dice));
const asText: Mutate = (example, dice) =>
  dice.below(4) === 0 ? mutateBytes(example, dice) : Buffer.from(mutateText(example.toString(), dice));
const asLines: Mutate = (example, dice) => {
  const lines = example.toString().trimEnd().split('\n');
  const changed = lines.map((line) => (dice.below(3) === 0 ? mutateJson(JSON.parse(line), dice) : line));
  return Buffer.from(`${changed.join('\n')}\n`);
};
/** Changes what is packed, or the packing. */
const asPacked =
  (pack: (bytes: Buffer) => Buffer, inner: Buffer): Mutate =>
  (example, dice) =>
    dice.below(3) === 0 ? pack(asLines(inner, dice)) : mutateBytes(example, dice);
/** Changes the JSON header of a safetensors file, its length, or any byte. */
const asSafetensors: Mutate = (example, dice) => {
  const end = 8 + Number(example.readBigUInt64LE(0));
  if (dice.below(4) === 0) return mutateBytes(example, dice);
  const header = Buffer.from(mutateJson(JSON.parse(example.toString('utf8', 8, end)), dice));
  const length = Buffer.alloc(8);
  const lengths = [header.length, header.length, header.length, header.length + 1, 0, 1e9];
  length.writeBigUInt64LE(BigInt(dice.pick(lengths)));
  return Buffer.concat([length, header, example.subarray(end)]);
};

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const item of items) void item;
}

/** A parser of one file of a folder. */
const ofFile = (path: string, mutate: Mutate, read: () => Promise<unknown>): InputKind => ({
  example: readFileSync(path),
  mutate,
  read(bytes) {
    writeFileSync(path, bytes);
    return read();
  },
});

async function checkpointParsers(dir: string): Promise<InputTable> {
  const create = (name: string, more: object = {}): Promise<string> =>
    makeTinyCheckpoint('llama', { dir: join(dir, name), tokenizer: true, ...more });
  const ofCheckpoint = async (file: string, mutate: Mutate, more: object = {}): Promise<InputKind> => {
    const folder = await create(file.replace(/\W/g, '-'), more);
    return ofFile(join(folder, file), mutate, () => openCheckpoint(folder));
  };
  const tokenizer = async (file: string): Promise<InputKind> => {
    const folder = await create(`of-${file.replace(/\W/g, '-')}`);
    return ofFile(join(folder, file), asJson, async () => {
      const opened = await openTokenizer(folder, 260);
      await opened.decode(await opened.encode('Once upon a time, 12 trees grew. Ünïcödé 🌳'));
      await opened.encodeChunks([{ text: 'a b\n', before: '' }]);
    });
  };
  return {
    'config.json': await ofCheckpoint('config.json', asJson),
    safetensors: await ofCheckpoint('model.safetensors', asSafetensors),
    'index.json': await ofCheckpoint('model.safetensors.index.json', asJson, { shards: 3 }),
    'tokenizer.json': await tokenizer('tokenizer.json'),
    'tokenizer_config.json': await tokenizer('tokenizer_config.json'),
  };
}

const generationConfig = {
  do_sample: true,
  temperature: 0.7,
  top_k: 50,
  eos_token_id: [1, 2],
  max_length: 20,
  num_beams: 2,
  cache_implementation: 'static',
};
const readme = `---
license: apache-2.0
language:
- en
- de
tags: [a, b]
base_model: org/model
model-index:
- name: x
  results:
  - task: {type: text-generation}
---
# A model
`;
const records = Buffer.from(
  Array.from({ length: 6 }, (_, i) => JSON.stringify({ text: `tree ${i}`, n: [i, { a: null }] })).join('\n'),
);
const csv = Buffer.from('id,text\n1,"a tree, ""tall"""\n2,"two\nlines"\n3,plain\n');
const choices = Buffer.from(
  Array.from({ length: 3 }, (_, i) =>
    JSON.stringify({ question: `q${i}`, choices: ['a', 'b'], answer: i % 2 }),
  ).join('\n'),
);

function dataParsers(dir: string): InputTable {
  mkdirSync(dir, { recursive: true });
  const write = (name: string, bytes: Buffer): string => {
    writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };
  const documents = (name: string, bytes: Buffer, mutate: Mutate): InputKind => {
    const path = write(name, bytes);
    return ofFile(path, mutate, () => drain(readDocuments(path)));
  };
  const parquet = (name: string): InputKind => {
    const fixtures = resolve(import.meta.dirname, '../../fixtures/parquet');
    return documents(name, readFileSync(join(fixtures, name)), mutateBytes);
  };
  const generation = write('generation_config.json', Buffer.from(JSON.stringify(generationConfig)));
  const questions = write('choices.jsonl', choices);
  const json = Buffer.from(
    JSON.stringify(
      records
        .toString()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ),
  );
  return {
    'generation_config.json': ofFile(generation, asJson, async () =>
      mendGenerationConfig(await readJsonObject(generation)),
    ),
    'README.md': {
      example: Buffer.from(readme),
      mutate: asText,
      read: (bytes) => Promise.resolve(readFrontMatter(bytes.toString())),
    },
    '.jsonl': documents('data.jsonl', records, asLines),
    '.json': documents('data.json', json, asJson),
    '.csv': documents('data.csv', csv, asText),
    '.txt': documents('data.txt', Buffer.from('Trees grow.\n'.repeat(20)), mutateBytes),
    '.jsonl.gz': documents('data.jsonl.gz', gzipSync(records), asPacked(gzipSync, records)),
    '.jsonl.zst': documents('data.jsonl.zst', zstdCompressSync(records), asPacked(zstdCompressSync, records)),
    '.parquet': parquet('snappy.parquet'),
    '.parquet of zstd': parquet('zstd.parquet'),
    '.parquet of gzip': parquet('gzip.parquet'),
    'multiple choice': ofFile(questions, asLines, () => readMultipleChoiceQuestions(questions)),
  };
}

function wheelParser(dir: string): InputKind {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'a.whl');
  writeFileSync(
    path,
    createWheel('a', '1', { 'a/a.so': Buffer.alloc(5000, 'abc'), 'a/b.py': Buffer.from('x') }),
  );
  return ofFile(path, mutateBytes, async () => {
    for (const entry of await readZipEntries(path)) {
      await extractEntry(path, entry, join(dir, 'out'));
      await readEntryText(path, entry);
    }
  });
}

/** Procedures that return nothing. */
const silentApi = new Proxy({} as Service, {
  get: (_, name) =>
    service[name as keyof Service].kind === 'stream' ? noItems : () => Promise.resolve(null),
});
async function* noItems(): AsyncGenerator<never> {
  // A stream that ends at once.
}

/** Requests of a page, each of which passes the check of its input. */
function messageParser(): InputKind {
  const dir = '/a';
  const growth = { method: 'hypercloning', to: { hidden: 8 }, options: {}, seed: 1, dtype: 'keep' };
  const requests = [
    { type: 'request', id: 1, name: 'openCheckpoint', input: { dir } },
    { type: 'request', id: 2, name: 'estimate', input: { dir, training: trainingDefaults } },
    {
      type: 'request',
      id: 3,
      name: 'startRun',
      input: { checkpoint: dir, data: [dir], settings: trainingDefaults },
    },
    {
      type: 'request',
      id: 4,
      name: 'startGrowth',
      input: { source: dir, request: growth, out: dir, device: 'cpu' },
    },
    { type: 'cancel', id: 1 },
  ];
  return {
    example: Buffer.from(requests.map((request) => JSON.stringify(request)).join('\n')),
    mutate: asLines,
    async read(bytes) {
      const [near, far] = createChannelPair();
      const found: ErrorData[] = [];
      serve(service, silentApi, far);
      near.onMessage((message) => {
        const { error } = message as { readonly error?: ErrorData };
        if (error) found.push(error);
      });
      for (const line of bytes.toString().trimEnd().split('\n')) near.send(parseOrNull(line));
      await new Promise(setImmediate);
      near.close();
      if (found.some(({ code }) => code === 'internal'))
        throw new Error('a request caused an internal error');
      if (found.length > 0) throw new AppError(found[0]!.code, found[0]!.detail);
    },
  };
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Writes the examples into a folder. */
export async function createParsers(dir: string): Promise<InputTable> {
  mkdirSync(dirname(dir), { recursive: true });
  return {
    ...(await checkpointParsers(dir)),
    ...dataParsers(join(dir, 'data')),
    wheel: wheelParser(join(dir, 'wheel')),
    'messages of a page': messageParser(),
  };
}
