/**
 * @file Which windows of the token files make a batch: a function of the seed and the step. There is no shuffle
 * state, so resuming is exact.
 */
import { deriveKey, permuteIndex } from '../base/random.ts';

/** Sizes of the two parts of a text: training tokens first, held-out tokens at the end. */
export interface TokenSplit {
  readonly train: number;
  readonly heldOut: number;
}

/**
 * Holds out the last `share` of the tokens; at least one window of `contextLength` + 1 if anything is held out.
 */
export function splitTokens(tokens: number, share: number, contextLength: number): TokenSplit {
  if (share <= 0) return { train: tokens, heldOut: 0 };
  const wanted = Math.max(Math.floor(tokens * share), contextLength + 1);
  const heldOut = Math.min(wanted, Math.floor(tokens / 2));
  return { train: tokens - heldOut, heldOut };
}

/** Windows of `contextLength` + 1 in `tokens`; neighbours share one token. */
export const windowsIn = (tokens: number, contextLength: number): number =>
  Math.max(0, Math.floor((tokens - 1) / contextLength));

/** One text of a mixture: `train` tokens from `start` on, then its held-out tokens. */
export interface TextPart extends TokenSplit {
  readonly start: number;
  /** How often it is drawn from, relative to the other parts; 0: it is only evaluated on. */
  readonly weight: number;
  /** What held-out losses call it. */
  readonly name?: string;
  /**
   * Present for a part without end, which is made while it is read. Its windows are shuffled in buffers of so many;
   * `train` is an estimate of its size.
   */
  readonly shuffleWindows?: number;
}

/** Parts for texts that lie one after the other, each with its own held-out end. */
export function partsOf(
  texts: readonly (Pick<TextPart, 'weight' | 'name'> & { readonly tokens: number })[],
  share: number,
  contextLength: number,
): readonly TextPart[] {
  let start = 0;
  return texts.map(({ tokens, ...text }) => {
    const part = { start, ...text, ...splitTokens(tokens, share, contextLength) };
    start += tokens;
    return part;
  });
}

const trainedParts = (parts: readonly TextPart[]): readonly TextPart[] =>
  parts.filter(({ weight }) => weight > 0);

/** Training tokens of all parts. */
export const trainTokensIn = (parts: readonly TextPart[]): number =>
  parts.reduce((sum, part) => sum + part.train, 0);

/** Most held-out windows that one evaluation reads. */
export const heldOutWindows = 64;

/** First tokens of at most `most` held-out windows, spread evenly over all parts. */
export function heldOutStarts(
  parts: readonly TextPart[],
  contextLength: number,
  most: number,
): readonly number[] {
  const counts = parts.map((part) => windowsIn(part.heldOut, contextLength));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const taken = Math.min(total, most);
  return Array.from({ length: taken }, (_, i) => {
    const { part, offset } = locate(counts, Math.floor((i * total) / taken));
    return parts[part]!.start + parts[part]!.train + offset * contextLength;
  });
}

/** The part that holds number `index` when part `i` holds `counts[i]`, and the number within that part. */
function locate(
  counts: readonly number[],
  index: number,
): { readonly part: number; readonly offset: number } {
  let part = 0;
  let offset = index;
  while (offset >= counts[part]!) {
    offset -= counts[part]!;
    part++;
  }
  return { part, offset };
}

/** Draws after which every part has been drawn from by its weight, to the nearest whole window. */
const drawsPerRound = 1024;

/** Draws of each part in a round: its share, rounded so that they add up, and at least one. */
export function drawsOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (weight / sum) * drawsPerRound);
  const counts = exact.map((x) => Math.max(1, Math.floor(x)));
  const byRemainder = exact
    .map((x, i) => ({ i, remainder: x - Math.floor(x) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  const total = (): number => counts.reduce((a, b) => a + b, 0);
  const missing = drawsPerRound - total();
  for (let j = 0; j < missing; j++) counts[byRemainder[j % byRemainder.length]!.i]!++;
  while (total() > drawsPerRound) counts[counts.indexOf(Math.max(...counts))]!--;
  return counts;
}

export interface BatchOrder {
  readonly microBatch: number;
  readonly contextLength: number;
  readonly seed: number;
  readonly parts: readonly TextPart[];
  /** Windows that were drawn before micro-batch 0; default 0. */
  readonly firstDraw?: number;
  /** Number of the order of the windows; default 0. Another context length needs another order. */
  readonly order?: number;
}

/**
 * First tokens of the windows of micro-batch number `n` (from 0). A single part visits each of its windows once
 * an epoch, in random order. Several parts keep their weights within every 1,024 draws, and each visits its
 * windows equally often. Every part must hold at least one window. A part without end is read from its start on, each
 * window once, in random order within its shuffle buffers.
 */
export function windowStarts(
  n: number,
  { microBatch, contextLength, seed: runSeed, parts: all, firstDraw = 0, order = 0 }: BatchOrder,
): readonly number[] {
  const seed = order === 0 ? runSeed : deriveKey(runSeed, 'order of the text', order);
  const parts = trainedParts(all);
  const isMixture = parts.length > 1;
  const draws = isMixture ? drawsOf(parts.map((part) => part.weight)) : [drawsPerRound];
  return Array.from({ length: microBatch }, (_, row) => {
    const draw = firstDraw + n * microBatch + row;
    const round = Math.floor(draw / drawsPerRound);
    const drawInRound = draw % drawsPerRound;
    const { part: p, offset } = isMixture
      ? locate(draws, permuteIndex(deriveKey(seed, 'parts', round), drawInRound, drawsPerRound))
      : { part: 0, offset: drawInRound };
    const { start, train, shuffleWindows } = parts[p]!;
    const drawOfPart = round * draws[p]! + offset;
    if (shuffleWindows !== undefined) {
      const buffer = Math.floor(drawOfPart / shuffleWindows);
      const key = deriveKey(seed, 'buffer', buffer, p);
      const inBuffer = permuteIndex(key, drawOfPart % shuffleWindows, shuffleWindows);
      return start + (buffer * shuffleWindows + inBuffer) * contextLength;
    }
    const windows = windowsIn(train, contextLength);
    const epoch = Math.floor(drawOfPart / windows);
    const key = isMixture ? deriveKey(seed, 'order', epoch, p) : deriveKey(seed, 'order', epoch);
    return start + permuteIndex(key, drawOfPart % windows, windows) * contextLength;
  });
}

/** Tokens of a part without end, counted from its start. */
export interface StreamedRange {
  /** Index of the part in the order's `parts`. */
  readonly part: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The tokens that `count` micro-batches from number `n` on may read of each part without end: whole shuffle buffers,
 * and in a mixture those of whole rounds. Later micro-batches read nothing before a range's start.
 */
export function streamedRanges(
  n: number,
  count: number,
  { microBatch, contextLength, parts, firstDraw = 0 }: BatchOrder,
): readonly StreamedRange[] {
  const trained = trainedParts(parts);
  const draws = trained.length > 1 ? drawsOf(trained.map(({ weight }) => weight)) : undefined;
  const first = firstDraw + n * microBatch;
  const last = first + count * microBatch - 1;
  return trained.flatMap((part, i) => {
    const { shuffleWindows } = part;
    if (shuffleWindows === undefined) return [];
    const perRound = draws?.[i];
    const from = perRound === undefined ? first : Math.floor(first / drawsPerRound) * perRound;
    const to = perRound === undefined ? last : (Math.floor(last / drawsPerRound) + 1) * perRound - 1;
    const firstBuffer = Math.floor(from / shuffleWindows);
    const endBuffer = Math.floor(to / shuffleWindows) + 1;
    const bufferTokens = shuffleWindows * contextLength;
    return [
      { part: parts.indexOf(part), start: firstBuffer * bufferTokens, end: endBuffer * bufferTokens + 1 },
    ];
  });
}

/** Most shuffle buffers of a part without end that one update reads, with `sequences` in an update. */
export function buffersAtOnce(part: TextPart, parts: readonly TextPart[], sequences: number): number {
  const trained = trainedParts(parts);
  const perRound = drawsOf(trained.map(({ weight }) => weight))[trained.indexOf(part)]!;
  const rounds = Math.ceil(sequences / drawsPerRound) + 1;
  const span = trained.length > 1 ? rounds * perRound : sequences;
  return Math.ceil(span / part.shuffleWindows!) + 1;
}
