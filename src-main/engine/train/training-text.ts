/** @file The text of a run: its tokens, the parts that batches are drawn from, and whether the context fits. */
import { refuse } from '../../base/errors.ts';
import { createQueue } from '../../base/queue.ts';
import { anySignal, createAborter, type AbortSignalLike } from '../../base/signals.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { tokenizeFiles, type TokenizedData } from '../../store/data/tokenize.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { openHome } from '../../store/home/home.ts';
import { partsOf, windowsIn, type TextPart } from '../../train/batches.ts';
import type { RunSettings } from '../../train/run.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { longestContext } from '../../train/stages.ts';
import { getMaxPositions } from '../model/weights.ts';

/** Throws `run/bad-setting` if the context is longer than the model's positions. */
export function checkContextLength(base: Checkpoint, { contextLength }: TrainingSettings): void {
  const positions = getMaxPositions(base);
  if (contextLength <= positions) return;
  const why = `is ${contextLength}, but the model has ${positions} positions`;
  refuse('run/bad-setting', { setting: 'context length', why });
}

/** Tokens of the run's text, with progress. Throws `cancelled` if the run is asked to stop. */
export async function* tokenizeText(
  { data, field }: RunSettings,
  base: Checkpoint,
  signal: AbortSignalLike,
  shouldStop: () => boolean,
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

/**
 * The parts that batches are drawn from: all text as one, or each of the data by its weight. Throws
 * `data/empty` if a part is shorter than one window. All stages of a run have the same parts.
 */
export function textParts(run: RunSettings, { lengths, tokens }: TokenizedData): readonly TextPart[] {
  const { data, weights, settings } = run;
  const contextLength = longestContext(run);
  const texts = weights
    ? lengths.map((length, i) => ({ tokens: length, weight: weights[i]! }))
    : [{ tokens, weight: 1 }];
  const parts = partsOf(texts, settings.heldOut, contextLength);
  for (const [i, part] of parts.entries()) {
    if (windowsIn(part.train, contextLength) > 0) continue;
    refuse('data/empty', {
      path: weights ? data[i]! : data.join(', '),
      tokens: part.train + part.heldOut,
      needed: contextLength + 1,
    });
  }
  return parts;
}
