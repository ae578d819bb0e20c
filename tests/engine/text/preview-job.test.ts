/** @file The preview of data counts what training reads, and says what it leaves out. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { PreviewEvent, TextPreview } from '../../../src-main/contract/text.ts';
import type { PreviewInput } from '../../../src-main/engine/inputs.ts';
import { preview } from '../../../src-main/engine/text/preview-job.ts';
import { tokenize } from '../../../src-main/engine/text/tokenize-job.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { HubServer } from '../../support/hub-server.ts';
import { makeParquet, makeTexts } from '../../support/parquet.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, neverAborted } from '../workbench.ts';

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });

const dir = freshFolder();
const write = (name: string, content: string): string => {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
};
const lines = (texts: readonly (string | null)[]): string =>
  texts.map((text) => JSON.stringify({ text })).join('\n');

write('set/data/train.jsonl', lines(['one', 'two words', '', null]));
write('set/data/test.jsonl', lines(['left out']));
write('set/README.txt.md', 'left out');
const folder = join(dir, 'set');
const book = write('book.txt', 'It was the best of times. '.repeat(400));

async function previewOf(input: Partial<PreviewInput>): Promise<{
  readonly preview: TextPreview;
  readonly events: readonly PreviewEvent[];
}> {
  const request = { checkpoint: await checkpoint, data: [folder, book], ...input };
  const events = await collect(preview(request, neverAborted));
  const last = events.at(-1)!;
  if (last.type !== 'done') throw new Error('no preview');
  return { preview: last.preview, events };
}

describe('preview', () => {
  it('counts the files, documents and tokens of each item, and what is left out and why', async () => {
    const { preview: result, events } = await previewOf({});
    const documents = await collect(
      tokenize({ checkpoint: await checkpoint, data: [folder, book] }, neverAborted),
    );
    const counted = documents.flatMap((event) =>
      event.type === 'document' ? [event.document.ids.length + event.document.appended.length] : [],
    );
    const tokens = counted.reduce((a, b) => a + b, 0);
    expect(result).toMatchObject({ files: 2, documents: 3, tokens, isPartial: false });
    expect(result.leftOut).toEqual({ missing: 0, empty: 2 });
    const [set, text] = result.items;
    expect(set).toMatchObject({ path: folder, files: 1, documents: 2, tokens: counted[0]! + counted[1]! });
    expect(set!.leftOutFiles).toEqual([
      { why: 'not the training split', names: [join('data', 'test.jsonl')] },
      { why: 'another format', names: ['README.txt.md'] },
    ]);
    expect(text).toMatchObject({ path: book, files: 1, documents: 1, tokens: counted[2], bytes: 26 * 400 });
    expect(set!.share + text!.share).toBeCloseTo(1, 12);
    expect(text!.share).toBeCloseTo(counted[2]! / tokens, 12);
    expect(events.filter(({ type }) => type === 'bytes').length).toBeGreaterThan(0);
  });

  it('shares the tokens by weight if there are weights', async () => {
    const { preview: result } = await previewOf({ weights: [3, 1] });
    expect(result.items.map(({ share }) => share)).toEqual([0.75, 0.25]);
  });

  it('shows the beginning of the first document, as tokenize lists it', async () => {
    const { preview: result } = await previewOf({ data: [book] });
    const [first] = await collect(tokenize({ checkpoint: await checkpoint, data: [book] }, neverAborted));
    if (first?.type !== 'document') throw new Error('no document');
    expect(result.first.file).toBe(book);
    expect(result.first.text).toBe('It was the best of times. '.repeat(400).slice(0, 400));
    expect(result.first.ids.length).toBeGreaterThan(20);
    expect(result.first.ids).toEqual(first.document.ids.slice(0, result.first.ids.length));
    expect(result.first.tokens).toEqual(first.document.tokens.slice(0, result.first.ids.length));
  });

  it('counts only the first documents of each item with a limit, with the same tokens', async () => {
    const { preview: whole } = await previewOf({});
    const { preview: part } = await previewOf({ limit: 1 });
    expect(part).toMatchObject({ isPartial: true, documents: 2 });
    expect(part.items[1]).toMatchObject({ documents: 1, tokens: whole.items[1]!.tokens });
    expect(part.items[0]!.tokens).toBeLessThan(whole.items[0]!.tokens);
  });

  it('names the tokenizer, and refuses data without a document', async () => {
    const { preview: result } = await previewOf({});
    expect(result.tokenizer).toEqual({ type: 'BPE', vocabSize: 260 });
    const empty = write('empty/a.jsonl', lines(['', null]));
    await expectAppError('data/empty', () => previewOf({ data: [empty] }));
  });

  it('can be cancelled', async () => {
    for (const limit of [undefined, 1]) {
      const { signal, abort } = createAborter();
      abort();
      const request = { checkpoint: await checkpoint, data: [book], ...(limit ? { limit } : {}) };
      await expectAppError('cancelled', () => collect(preview(request, signal)));
    }
  });
});

describe('a dataset of the Hub', () => {
  const server = new HubServer();
  beforeAll(async () => {
    await server.start();
    process.env['HF_ENDPOINT'] = server.endpoint;
    server.addCommit('datasets/org/texts', {
      'data/train.parquet': makeParquet([...makeTexts(150), null], 40),
    });
  });
  afterAll(async () => {
    delete process.env['HF_ENDPOINT'];
    await server.stop();
  });

  it('is read from its beginning, beside files that are counted', async () => {
    const name = 'hf://datasets/org/texts';
    const { preview: found } = await previewOf({ data: [name, book], weights: [3, 1] });
    expect(found).toMatchObject({ files: 2, documents: 101, isPartial: true });
    expect(found.items).toMatchObject([
      { path: name, files: 1, documents: 100, share: 0.75 },
      { path: book, documents: 1 },
    ]);
    expect(found.first).toMatchObject({ file: name, text: makeTexts(1)[0] });
    await expectAppError('data/no-column', () => previewOf({ data: [name], field: 'body' }));
    await expectAppError('hub/bad-dataset', () => previewOf({ data: ['hf://datasets/'] }));
  });
});
