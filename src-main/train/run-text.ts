/** @file Whether model and text are long enough for a run, and the parts of the text that batches are drawn from. */
import { refuse } from '../base/errors.ts';
import { getMaxPositions } from '../model/positions.ts';
import { partsOf, windowsIn, type TextPart } from './batches.ts';
import type { RunSettings } from './run.ts';
import type { TrainingSettings } from './settings.ts';
import { longestContext } from './stages.ts';

/** Throws `run/bad-setting` if the context is longer than the model's positions. */
export function checkContextLength(
  model: Parameters<typeof getMaxPositions>[0],
  { contextLength }: Pick<TrainingSettings, 'contextLength'>,
): void {
  const positions = getMaxPositions(model);
  if (contextLength <= positions) return;
  const why = `is ${contextLength}, but the model has ${positions} positions`;
  refuse('run/bad-setting', { setting: 'context length', why });
}

/** The fields of a run that say what it reads. */
export type RunText = Pick<RunSettings, 'data' | 'weights' | 'settings' | 'stages'>;

/**
 * The parts that batches are drawn from: all text as one, or each of the data by its weight. `lengths` are the tokens
 * of each of the data. Throws `data/empty` if a part is shorter than one window. All stages of a run have the same
 * parts.
 */
export function textParts(run: RunText, lengths: readonly number[]): readonly TextPart[] {
  const { data, weights, settings } = run;
  const contextLength = longestContext(run);
  const texts = weights
    ? lengths.map((length, i) => ({ tokens: length, weight: weights[i]! }))
    : [{ tokens: lengths.reduce((sum, length) => sum + length, 0), weight: 1 }];
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

/** Tokens of each of the data from which on `textParts` throws nothing: half may be held out. */
export const enoughTokens = (run: RunText): number => 4 * (longestContext(run) + 1);
