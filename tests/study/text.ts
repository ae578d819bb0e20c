/** @file The text and the tokenizer of the study: from Debian's packages, or a text of one's own. */
import { createReadStream, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openHome } from '../../src-main/store/home/home.ts';
import { tokenizeFiles } from '../../src-main/store/data/tokenize.ts';
import { trainBpe, writeTokenizer } from './bpe.ts';
import type { Corpus } from './corpus.ts';
import { hashOf, type StudyText } from './lab.ts';
import type { Scale } from './scales.ts';

/** The first documents of a file, together about `bytes` long. */
async function readDocuments(path: string, bytes: number): Promise<readonly string[]> {
  const texts: string[] = [];
  let read = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (read >= bytes) break;
    const { text } = JSON.parse(line) as { text: string };
    texts.push(text);
    read += text.length;
  }
  return texts;
}

/** The tokenizer in `dir`, trained on the first documents of the training text if it is not there. */
export async function openTokenizer(dir: string, corpus: Corpus, scale: Scale): Promise<void> {
  if (existsSync(join(dir, 'complete'))) return;
  rmSync(dir, { recursive: true, force: true });
  const bpe = trainBpe(await readDocuments(corpus.trainFile, scale.tokenizerBytes), scale.vocab);
  writeTokenizer(bpe, dir, scale.settings.contextLength);
  writeFileSync(join(dir, 'complete'), '');
}

/** Tokenizes the text. The held-out documents are the last, and are held out as a whole. */
export async function openText(corpus: Corpus, tokenizer: string, scale: Scale): Promise<StudyText> {
  const data = [corpus.trainFile, corpus.heldOutFile];
  const request = {
    tokenizerDir: tokenizer,
    vocabSize: scale.vocab,
    cacheDir: await openHome().createCacheDir('tokens'),
  };
  const all = await tokenizeFiles({ ...request, data });
  const [train, heldOut] = all.lengths as readonly [number, number];
  return {
    data,
    tokenizer,
    heldOut: heldOut / (train + heldOut),
    bytesPerToken: corpus.heldOut.bytes / heldOut,
    hash: hashOf({
      train: corpus.train.sha256,
      heldOut: corpus.heldOut.sha256,
      tokenizer: readFileSync(join(tokenizer, 'tokenizer.json'), 'utf8'),
    }),
  };
}
