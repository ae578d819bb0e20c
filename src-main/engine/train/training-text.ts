/** @file The text of a run: its tokens, with progress. */
import { createQueue } from '../../base/queue.ts';
import { anySignal, createAborter, type AbortSignalLike } from '../../base/signals.ts';
import { noFilter, type TextFilter } from '../../base/text-filter.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { tokenizeFiles, type TokenizedData } from '../../store/data/tokenize.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { openHome } from '../../store/home/home.ts';
import type { RunSettings } from '../../train/run.ts';

/** Tokens of the run's text, with progress. Throws `cancelled` if the run is asked to stop. */
export async function* tokenizeText(
  { data, field }: RunSettings,
  base: Checkpoint,
  signal: AbortSignalLike,
  shouldStop: () => boolean,
  filter: TextFilter = noFilter,
): AsyncGenerator<RunEvent, TokenizedData> {
  const events = createQueue<RunEvent>();
  const own = createAborter();
  let lastPercent = -1;
  const onProgress = (done: number, of: number): void => {
    if (shouldStop()) own.abort();
    const percent = Math.floor((100 * done) / Math.max(1, of));
    if (percent <= lastPercent) return;
    lastPercent = percent;
    events.push({ type: 'preparing', what: 'reading the text', done, of });
  };
  const work = tokenizeFiles({
    data,
    field,
    filter,
    tokenizerDir: base.dir,
    vocabSize: base.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
    onProgress,
    signal: createLinkedController(anySignal(signal, own.signal)).signal,
  });
  work.then(
    () => {
      events.end();
    },
    (error: unknown) => {
      events.fail(error);
    },
  );
  try {
    yield* events;
    return await work;
  } finally {
    own.abort();
  }
}
