/** @file The worker thread that keeps a stream of tokens ahead of the training. */
import { parentPort, workerData } from 'node:worker_threads';
import { refuse, toErrorData } from '../../base/errors.ts';
import { openTokenizer } from '../data/tokenizer.ts';
import { openRemoteParquet } from '../hub/remote-parquet.ts';
import { createHub } from '../hub/requests.ts';
import { blockBytes, openBlockStore, readSource } from './block-store.ts';
import { produceBlocks } from './produce.ts';
import { streamStart, widthOf } from './source.ts';
import type { StreamMessage, StreamRequest, StreamTask } from './stream.ts';

const { folder, tokenizerDir, firstToken, maxBytes, hub: hubOptions, ...task } = workerData as StreamTask;
const controller = new AbortController();
const { signal } = controller;
const send = (message: StreamMessage): void => {
  parentPort!.postMessage(message);
};

/** Blocks before this one are trained on. */
let released = 0;
/** Tokens that are wanted so far. */
let { goal } = task;
let wake = (): void => undefined;
parentPort!.on('message', (request: StreamRequest) => {
  if (request.type === 'cancel') controller.abort();
  else if (request.type === 'goal') ({ goal } = request);
  else released = Math.max(released, request.before);
  wake();
});

async function run(): Promise<void> {
  const source = await readSource(folder);
  const width = widthOf(source);
  const tokenizer = await openTokenizer(tokenizerDir, source.vocabSize);
  if (tokenizer.hash !== source.tokenizer) refuse('data/stream-tokenizer', { name: source.name });
  const store = await openBlockStore(folder, source);
  const { records } = store;
  try {
    let n = 0;
    let made = 0;
    for (; n < records.length && made + records[n]!.tokens <= firstToken; n++) made += records[n]!.tokens;
    released = n;
    send({ type: 'records', records: records.slice(0, n) });
    let removed = n;
    /** Sizes of the blocks on disk, from block `removed` on. */
    const sizes: number[] = [];
    let used = 0;
    await store.keepOnly(n);
    const add = (record: (typeof records)[number]): void => {
      const bytes = blockBytes(record, width);
      sizes.push(bytes);
      used += bytes;
      made += record.tokens;
      send({ type: 'block', record });
      n++;
    };
    /** Waits until another block is wanted and one of `bytes` fits. A single block always does. */
    const makeRoom = async (bytes: number): Promise<void> => {
      for (;;) {
        if (released > removed) {
          const before = Math.min(released, n);
          await store.keepOnly(before);
          for (; removed < before; removed++) used -= sizes.shift()!;
        }
        if (signal.aborted) refuse('cancelled', { what: 'reading the dataset' });
        if (made < goal && (used === 0 || used + bytes <= maxBytes)) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    while (await store.hasBlock(n)) {
      await makeRoom(blockBytes(records[n]!, width));
      add(records[n]!);
    }
    // What lies behind a gap would not be counted.
    await store.keepOnly(removed, n);
    const blocks = produceBlocks({
      source,
      tokenizer,
      open: (index) =>
        openRemoteParquet(createHub(hubOptions.settings, hubOptions.token, hubOptions.retry), {
          repo: source.repo,
          commit: source.commit,
          file: source.files[index]!,
          signal,
        }),
      from: records[n]?.start ?? records.at(-1)?.next ?? streamStart,
      seen: await store.readSeen(n),
      signal,
    });
    for await (const block of blocks) {
      await makeRoom(blockBytes({ tokens: block.tokens.length, documents: block.documents.length }, width));
      add(await store.write(n, block));
    }
  } finally {
    await store.close();
  }
}

try {
  await run();
} catch (error) {
  send({ type: 'failed', error: toErrorData(error) });
}
parentPort!.close();
