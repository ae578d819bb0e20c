/** @file `cambium tokenize` lists the ids of the library, and those that training stores. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { TokenizedDocument, TokenizeEvent } from '../../../src-main/contract/text.ts';
import type { TokenizeInput } from '../../../src-main/engine/inputs.ts';
import { tokenize } from '../../../src-main/engine/text/tokenize-job.ts';
import { openTokens, tokenizeFiles } from '../../../src-main/store/data/tokenize.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { difficultTexts, readReportedCases, writeTokenizerFolder } from '../../support/tokenizer-fixtures.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, neverAborted } from '../workbench.ts';

const checkpoint = makeTinyCheckpoint('llama', { tokenizer: true });

function writeFile(name: string, content: string): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, content);
  return path;
}

async function list(
  input: Partial<TokenizeInput>,
): Promise<{ readonly documents: readonly TokenizedDocument[]; readonly done: TokenizeEvent }> {
  const events = await collect(tokenize({ checkpoint: await checkpoint, ...input }, neverAborted));
  const documents = events.flatMap((event) => (event.type === 'document' ? [event.document] : []));
  return { documents, done: events.at(-1)! };
}

describe('tokenize', () => {
  it.each(readReportedCases())(
    'lists the ids and tokens of Python for the text of a bug report: $name',
    async ({ files, text, ids, tokens }) => {
      const dir = writeTokenizerFolder(files);
      const file = writeFile('text.txt', text);
      const { documents } = await list({ checkpoint: dir, data: [file] });
      expect(documents).toMatchObject([{ file, ids, tokens }]);
      expect((await list({ checkpoint: dir, text })).documents).toMatchObject([{ file: null, ids, tokens }]);
    },
  );

  it('lists the ids that training stores, document by document', async () => {
    const texts = Object.values(difficultTexts).filter((text) => text !== '');
    const lines = texts.map((text) => JSON.stringify({ text }));
    const file = writeFile('texts.jsonl', ['{"text":""}', ...lines, '{"other":1}'].join('\n'));
    const { documents, done } = await list({ data: [file] });
    expect(documents).toHaveLength(texts.length);
    expect(done).toMatchObject({ documents: texts.length, leftOut: { missing: 1, empty: 1 } });
    const dir = await checkpoint;
    const { folders } = await tokenizeFiles({
      data: [file],
      tokenizerDir: dir,
      vocabSize: 260,
      cacheDir: freePath('cache'),
    });
    const stored = await openTokens(folders);
    const ids = [...stored.read(0, stored.length)];
    stored.close();
    expect(documents.flatMap((document) => [...document.ids, ...document.appended])).toEqual(ids);
  });

  it('lists a long text in chunks as the library encodes it at once', async () => {
    const text = Object.values(difficultTexts).join('\n').replaceAll('\0', '').repeat(8);
    const { documents } = await list({ text });
    const tokenizer = await openTokenizer(await checkpoint);
    expect(documents[0]!.ids).toEqual(await tokenizer.encode(text.toWellFormed()));
    expect(documents[0]!.tokens).toHaveLength(documents[0]!.ids.length);
  });

  it('reads at most the documents of the limit, over all files', async () => {
    const data = [
      writeFile('a.jsonl', '{"text":"a"}\n{"text":"b"}'),
      writeFile('b.jsonl', '{"text":"c"}\n!'),
    ];
    const { documents, done } = await list({ data, limit: 3 });
    expect(documents.map(({ file }) => file)).toEqual([data[0], data[0], data[1]]);
    expect(done).toMatchObject({ documents: 3 });
    await expectAppError('data/bad-line', () => list({ data }));
  });

  it('refuses data without a document, and can be cancelled', async () => {
    const empty = writeFile('empty.jsonl', '{"text":""}\n{"text":null}');
    await expectAppError('data/empty', () => list({ data: [empty] }));
    const { signal, abort } = createAborter();
    abort();
    const file = writeFile('a.txt', 'a');
    await expectAppError('cancelled', async () =>
      collect(tokenize({ checkpoint: await checkpoint, data: [file] }, signal)),
    );
  });
});
