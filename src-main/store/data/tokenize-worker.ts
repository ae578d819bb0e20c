/** @file The worker that turns text files into token files, so that the process that asked stays awake. */
import { parentPort, workerData } from 'node:worker_threads';
import { dataOf } from '../../base/errors.ts';
import { openTokenizer } from './tokenizer.ts';
import { tokenizeFile } from './token-writer.ts';
import type { TokenizeMessage, TokenizeTask } from './tokens.ts';

const { files, field, tokenizer: dir, vocab, cache } = workerData as TokenizeTask;
const cancel = new AbortController();
const say = (message: TokenizeMessage): void => {
  parentPort!.postMessage(message);
};
parentPort!.on('message', () => {
  cancel.abort();
});

try {
  const tokenizer = await openTokenizer(dir, vocab);
  let told = 0;
  for (const file of files) {
    const onBytes = (done: number): void => {
      if (performance.now() - told < 100) return;
      told = performance.now();
      say({ at: 'bytes', file, done });
    };
    say({
      at: 'file',
      file,
      ...(await tokenizeFile(file, tokenizer, { vocab, cache, field, signal: cancel.signal, onBytes })),
    });
  }
} catch (error) {
  say({ at: 'failed', error: dataOf(error) });
}
parentPort!.close();
