/** @file The worker thread that tokenizes text files. */
import { parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../../base/errors.ts';
import { openTokenizer } from './tokenizer.ts';
import { tokenizeFile } from './token-writer.ts';
import type { TokenizeMessage, TokenizeTask } from './tokenize.ts';

/** Milliseconds between two progress messages. */
const progressInterval = 100;

const { files, field, tokenizerDir, vocabSize, cacheDir } = workerData as TokenizeTask;
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
  for (const file of files) {
    const onBytes = (done: number): void => {
      if (performance.now() - lastProgress < progressInterval) return;
      lastProgress = performance.now();
      send({ type: 'bytes', file, done });
    };
    const result = await tokenizeFile(file, tokenizer, { vocabSize, cacheDir, field, signal, onBytes });
    send({ type: 'file', file, ...result });
  }
  send({ type: 'done', notes: tokenizer.notes });
} catch (error) {
  send({ type: 'failed', error: toErrorData(error) });
}
parentPort!.close();
