/** @file The worker thread that tokenizes text files. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../../base/errors.ts';
import { createSeenHashes } from './seen-hashes.ts';
import { openTokenizer } from './tokenizer.ts';
import { tokenizeFile } from './token-writer.ts';
import type { TokenizeMessage, TokenizeTask } from './tokenize.ts';

/** Milliseconds between two progress messages. */
const progressInterval = 100;

const { files, field, tokenizerDir, vocabSize, cacheDir, filter: rule } = workerData as TokenizeTask;
const controller = new AbortController();
const { signal } = controller;
const send = (message: TokenizeMessage): void => {
  parentPort!.postMessage(message);
};
parentPort!.on('message', () => {
  controller.abort();
});

try {
  const tokenizer = await openTokenizer(tokenizerDir, vocabSize);
  let lastProgress = 0;
  const filter = rule && { rule, seen: createSeenHashes() };
  let earlier = '';
  for (const file of files) {
    const onBytes = (done: number): void => {
      if (performance.now() - lastProgress < progressInterval) return;
      lastProgress = performance.now();
      send({ type: 'bytes', file, done });
    };
    const result = await tokenizeFile(file, tokenizer, {
      ...{ vocabSize, cacheDir, field, signal, onBytes, earlier },
      ...(filter ? { filter } : {}),
    });
    earlier = createHash('sha256')
      .update(`${earlier}\n${basename(result.folder)}`)
      .digest('hex');
    send({ type: 'file', file, ...result });
  }
  send({ type: 'done', notes: tokenizer.notes });
} catch (error) {
  send({ type: 'failed', error: toErrorData(error) });
}
parentPort!.close();
