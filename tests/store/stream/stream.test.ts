/** @file Streams of tokens from a dataset of a local Hub. */
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseDatasetName } from '../../../src-main/base/dataset-name.ts';
import { sumLeftOut } from '../../../src-main/base/left-out.ts';
import { noFilter, type TextFilter } from '../../../src-main/base/text-filter.ts';
import { openParquet } from '../../../src-main/store/data/parquet.ts';
import { createSeenHashes } from '../../../src-main/store/data/seen-hashes.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { createHub, type Hub } from '../../../src-main/store/hub/requests.ts';
import { readHubSettings } from '../../../src-main/store/hub/settings.ts';
import { openBlockStore } from '../../../src-main/store/stream/block-store.ts';
import { createSource, heldOutFolder } from '../../../src-main/store/stream/create-source.ts';
import { produceBlocks, type Block } from '../../../src-main/store/stream/produce.ts';
import { streamStart, type StreamSource } from '../../../src-main/store/stream/source.ts';
import { openTokenStream, type TokenStream } from '../../../src-main/store/stream/stream.ts';
import { HubServer } from '../../support/hub-server.ts';
import { makeParquet, makeTexts } from '../../support/parquet.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { tinyVocab } from '../../support/tiny.ts';
import { tokenizerDir } from '../data/samples.ts';

const server = new HubServer();
const { signal } = new AbortController();
const texts = makeTexts(2000);
const twins = [...makeTexts(200), ...makeTexts(200), null, 'short', ''];
const shards = [0, 1, 2, 3].map((i) => makeParquet(texts.slice(i * 500, (i + 1) * 500), 100));
let hub: Hub;

beforeAll(async () => {
  await server.start();
  server.addCommit(
    'datasets/org/many',
    Object.fromEntries(shards.map((file, i) => [`train-${i}.parquet`, file])),
  );
  hub = createHub(
    readHubSettings({ HF_ENDPOINT: server.endpoint, HF_HOME: freshFolder('hf') }, '/nobody'),
    null,
  );
});
afterAll(() => server.stop());

const makeSource = async (more: Partial<StreamSource> = {}): Promise<StreamSource> => ({
  version: 1,
  name: 'local',
  repo: 'datasets/org/many',
  commit: 'main',
  files: shards.map((file, i) => ({
    path: `train-${i}.parquet`,
    bytes: file.length,
    etag: String(i),
    sha256: true,
  })),
  column: 'text',
  seed: 3,
  filter: noFilter,
  tokenizer: (await openTokenizer(tokenizerDir, tinyVocab)).hash,
  vocabSize: tinyVocab,
  blockTokens: 1500,
  heldOut: null,
  ...more,
});

/** The blocks of `epochs` epochs of files in memory. */
async function produce(
  source: StreamSource,
  files: readonly Buffer[],
  { from = streamStart, epochs = 1, seen = createSeenHashes() } = {},
): Promise<readonly Block[]> {
  const tokenizer = await openTokenizer(tokenizerDir, tinyVocab);
  const open = (i: number): ReturnType<typeof openParquet> => {
    const bytes = new Uint8Array(files[i]!);
    return openParquet(`file ${i}`, {
      byteLength: bytes.length,
      slice: (start, end) => bytes.buffer.slice(start, end),
    });
  };
  const blocks: Block[] = [];
  for await (const block of produceBlocks({ source, tokenizer, open, from, seen, signal })) {
    if (block.start.epoch >= epochs) break;
    blocks.push(block);
  }
  return blocks;
}

const tokensOf = (blocks: readonly Block[]): readonly number[] => blocks.flatMap(({ tokens }) => [...tokens]);

describe('produceBlocks', () => {
  it('reads every row once an epoch, each epoch and each seed in another order', async () => {
    const source = await makeSource();
    const blocks = await produce(source, shards, { epochs: 2 });
    const [first, second] = [0, 1].map((epoch) => blocks.filter(({ start }) => start.epoch === epoch));
    for (const epoch of [first!, second!])
      expect(epoch.reduce((sum, { documents }) => sum + documents.length, 0)).toBe(texts.length);
    expect(tokensOf(second!).toSorted()).toEqual(tokensOf(first!).toSorted());
    expect(tokensOf(second!)).not.toEqual(tokensOf(first!));
    const other = await produce({ ...source, seed: 4 }, shards);
    expect(tokensOf(other)).not.toEqual(tokensOf(first!));
  });

  it('gives the same blocks from the start of any block', async () => {
    const source = await makeSource();
    const blocks = await produce(source, shards);
    expect(blocks.length).toBeGreaterThan(10);
    for (const n of [1, 2, 7, blocks.length - 1]) {
      const rest = await produce(source, shards, { from: blocks[n]!.start });
      expect(rest.length).toBe(blocks.length - n);
      expect(rest).toEqual(blocks.slice(n));
    }
  });

  it('leaves out duplicates and lengths, with counts, and the held-out rows', async () => {
    const file = makeParquet(twins, 64);
    const count = async (filter: Partial<TextFilter>): Promise<unknown> => {
      const source = await makeSource({
        files: [{ path: 'a', bytes: 1, etag: '', sha256: true }],
        filter: { ...noFilter, ...filter },
      });
      const blocks = await produce(source, [file]);
      const documents = blocks.reduce((sum, block) => sum + block.documents.length, 0);
      return { documents, ...sumLeftOut(blocks.map(({ leftOut }) => leftOut)) };
    };
    expect(await count({})).toEqual({ documents: 401, missing: 0, empty: 2 });
    expect(await count({ dedupe: true })).toMatchObject({ documents: 201, duplicate: 200 });
    expect(await count({ minCharacters: 10 })).toMatchObject({ documents: 400, short: 1 });
    expect(await count({ maxCharacters: 10 })).toMatchObject({ documents: 1, long: 400 });
    const heldOut = { file: 0, group: 0, rows: 10 };
    const source = await makeSource({ files: [{ path: 'a', bytes: 1, etag: '', sha256: true }], heldOut });
    const rows = (await produce(source, [file])).reduce((sum, block) => sum + block.documents.length, 0);
    expect(rows).toBe(391);
  });
});

const createStream = async (
  folder: string,
  more: { readonly firstToken?: number; readonly maxBytes?: number; readonly goal?: number } = {},
): Promise<TokenStream> => {
  const tokenizer = await openTokenizer(tokenizerDir, tinyVocab);
  const isNew = !existsSync(join(folder, 'stream.json'));
  const source = isNew
    ? await createSource({
        hub,
        dataset: parseDatasetName('hf://datasets/org/many')!,
        column: 'text',
        tokenizer,
        vocabSize: tinyVocab,
        signal,
        folder,
        seed: 3,
        filter: { ...noFilter, dedupe: true },
        blockTokens: 1000,
        heldOutTokens: 200,
      })
    : (JSON.parse(readFileSync(join(folder, 'stream.json'), 'utf8')) as StreamSource);
  return openTokenStream(
    source,
    { folder, tokenizerDir, firstToken: 0, maxBytes: 1e6, goal: Infinity, ...more },
    hub,
  );
};

const never = (): boolean => false;
const readAll = (stream: TokenStream, start: number, length: number): Int32Array => {
  const into = new Int32Array(length);
  stream.read(start, into);
  return into;
};
const diskOf = (folder: string): number =>
  readdirSync(folder)
    .filter((name) => name.startsWith('block-'))
    .reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);

describe('openTokenStream', () => {
  it('stays within its disk space while it is read far beyond it, and makes removed tokens again', async () => {
    const folder = freePath('stream');
    const maxBytes = 20_000;
    const stream = await createStream(folder, { maxBytes });
    expect(existsSync(join(heldOutFolder(folder), 'tokens.json'))).toBe(true);
    // Nobody reads yet, so it runs ahead until its space is used.
    await vi.waitUntil(() => diskOf(folder) > maxBytes / 2, { timeout: 60_000 });
    const pieces: Int32Array[] = [];
    let most = 0;
    const step = 500;
    for (let at = 0; at < 60_000; at += step) {
      expect(await stream.prepare(at, at + step, never)).toBe(true);
      pieces.push(readAll(stream, at, step));
      most = Math.max(most, diskOf(folder));
    }
    await stream.close();
    expect(most).toBeLessThanOrEqual(maxBytes);
    const again = await createStream(folder, { firstToken: 10_000, maxBytes });
    expect(await again.prepare(10_000, 12_000, never)).toBe(true);
    expect([...readAll(again, 10_000, 2000)]).toEqual(pieces.slice(20, 24).flatMap((piece) => [...piece]));
    await again.close();
  });

  it('numbers documents, and makes no more than its goal', async () => {
    const folder = freePath('stream');
    const stream = await createStream(folder, { goal: 3000 });
    await stream.prepare(0, 3000, never);
    const ids = new Int32Array(3000);
    stream.readDocumentIds(0, ids);
    expect(ids[0]).toBe(0);
    for (let i = 1; i < ids.length; i++) expect(ids[i]! - ids[i - 1]!).toBeOneOf([0, 1]);
    expect(new Set(ids).size).toBeGreaterThan(20);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stream.length).toBeLessThan(6000);
    expect(await stream.prepare(0, 6000, never)).toBe(true);
    await stream.close();
  });

  it('reads what a kill left: torn lines and blocks are made again', async () => {
    const folder = freePath('stream');
    const stream = await createStream(folder, { goal: 8000 });
    await stream.prepare(0, 8000, never);
    const before = [...readAll(stream, 0, 8000)];
    await stream.close();
    const source = JSON.parse(readFileSync(join(folder, 'stream.json'), 'utf8')) as StreamSource;
    const records = join(folder, 'blocks.jsonl');
    const lines = readFileSync(records, 'utf8');
    writeFileSync(records, lines.slice(0, -30));
    truncateSync(join(folder, 'block-000002.bin'), 100);
    truncateSync(join(folder, 'hashes.bin'), statSync(join(folder, 'hashes.bin')).size - 20);
    const store = await openBlockStore(folder, source);
    expect(store.records.length).toBeLessThan(lines.split('\n').length - 1);
    await store.close();
    const again = await createStream(folder, { goal: 8000 });
    await again.prepare(0, 8000, never);
    expect([...readAll(again, 0, 8000)]).toEqual(before);
    await again.close();
  });
});
