/** @file Whether model and text are long enough for a run, and the parts of the text that batches are drawn from. */
import { refuse } from '../base/errors.ts';
import type { TextFilter } from '../base/text-filter.ts';
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
export type RunText = Pick<RunSettings, 'data' | 'weights' | 'validation' | 'settings' | 'stages'>;

/** The length of one of the data: its tokens, or for a stream about how many it has. */
export type TextLength = number | { readonly estimate: number };

/** A text that is only evaluated on. */
export interface ValidationText {
  readonly name: string;
  readonly tokens: number;
}

/** Positions of tokens from here on are those of streams; each has so many. */
export const streamPositions = 2 ** 46;
/** Where the tokens of stream number `i` begin. */
export const streamOffset = (i: number): number => (i + 1) * streamPositions;

/**
 * The parts that batches are drawn from: all text as one, or each of the data by its weight, then each stream, then
 * the validation texts. `lengths` are those of each of the data; the tokens of texts and validation texts lie one
 * after the other. Throws `data/empty` if a part is shorter than one window. All stages of a run have the same parts.
 */
export function textParts(
  run: RunText,
  lengths: readonly TextLength[],
  validation: readonly ValidationText[] = [],
): readonly TextPart[] {
  const { data, weights, settings } = run;
  const contextLength = longestContext(run);
  const weightOf = (i: number): number => weights?.[i] ?? 1;
  const counted = lengths.flatMap((length, i) => (typeof length === 'number' ? [{ length, i }] : []));
  const texts = weights
    ? counted.map(({ length, i }) => ({ tokens: length, weight: weightOf(i), name: data[i]! }))
    : [{ tokens: counted.reduce((sum, { length }) => sum + length, 0), weight: 1, name: data.join(', ') }];
  const share = run.validation ? 0 : settings.heldOut;
  const parts = counted.length === 0 ? [] : partsOf(texts, share, contextLength);
  for (const part of parts) {
    if (windowsIn(part.train, contextLength) > 0) continue;
    refuse('data/empty', {
      path: part.name!,
      tokens: part.train + part.heldOut,
      needed: contextLength + 1,
    });
  }
  let start = counted.reduce((sum, { length }) => sum + length, 0);
  const evaluated = validation.map(({ name, tokens }): TextPart => {
    if (windowsIn(tokens, contextLength) === 0)
      refuse('data/empty', { path: name, tokens, needed: contextLength + 1 });
    const part = { start, train: 0, heldOut: tokens, weight: 0, name };
    start += tokens;
    return part;
  });
  return [...parts, ...streamParts(run, lengths), ...evaluated];
}

/**
 * The parts without end. Throws `run/bad-setting` for several data without weights: the size of a stream is not known.
 */
function streamParts(
  { data, weights, settings, stages }: RunText,
  lengths: readonly TextLength[],
): readonly TextPart[] {
  const streams = lengths.flatMap((length, i) => (typeof length === 'number' ? [] : [{ ...length, i }]));
  if (streams.length === 0) return [];
  if (data.length > 1 && !weights)
    refuse('run/bad-setting', {
      setting: 'data',
      why: `has ${data[streams[0]!.i]!} beside other texts, so each needs a weight, such as =1`,
    });
  if (stages)
    refuse('run/bad-setting', {
      setting: 'data',
      why: 'has a streamed dataset, which a run with stages cannot read',
    });
  return streams.map(({ estimate, i }, number) => ({
    start: streamOffset(number),
    train: estimate,
    heldOut: 0,
    weight: weights?.[i] ?? 1,
    name: data[i]!,
    shuffleWindows: settings.shuffleWindows,
  }));
}

/** The filter of the documents of a run. */
export const textFilterOf = ({
  minCharacters,
  maxCharacters,
  dedupe,
  languages,
}: TrainingSettings): TextFilter => ({
  minCharacters,
  maxCharacters,
  dedupe: dedupe === 'on',
  languages: languages
    .split(',')
    .map((code) => code.trim())
    .filter((code) => code !== ''),
});

/** Tokens of each of the data from which on `textParts` throws nothing: half may be held out. */
export const enoughTokens = (run: RunText): number => 4 * (longestContext(run) + 1);
