/**
 * @file How a token is chosen from logits: repetition penalty, temperature, top-k, top-p and min-p, in the order of
 * transformers (generation/utils.py, _get_logits_processor; generation/logits_process.py).
 */

export interface Sampling {
  /** Divides the logits; 0 always takes the most likely token. */
  readonly temperature: number;
  /** Keeps the k most likely tokens, and those as likely as the last of them. */
  readonly topK?: number | undefined;
  /** Keeps the most likely tokens whose probabilities add up to at least this share. */
  readonly topP?: number | undefined;
  /** Drops tokens whose probability is below this share of the largest one. */
  readonly minP?: number | undefined;
  /** Divides positive logits of tokens that the text has, and multiplies negative ones. 1 changes nothing. */
  readonly repetitionPenalty?: number | undefined;
}

/** Index of the largest entry, the first of equal ones. */
export function findLargest(values: Float32Array | Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** The logits with the penalty on the tokens of `text`; the same array if there is no penalty. */
export function penalizeRepetition(logits: Float32Array, text: Iterable<number>, penalty = 1): Float32Array {
  if (penalty === 1) return logits;
  const out = Float32Array.from(logits);
  for (const token of new Set(text)) {
    const logit = logits[token]!;
    out[token] = logit < 0 ? logit * penalty : logit / penalty;
  }
  return out;
}

/**
 * Unnormalized weights of the tokens after temperature, top-k, top-p and min-p; dropped tokens have 0. The
 * temperature is above 0. At least one token remains.
 */
export function weighTokens(logits: Float32Array, { temperature, topK, topP, minP }: Sampling): Float64Array {
  const largest = logits[findLargest(logits)]!;
  const weights = Float64Array.from(logits, (x) => Math.exp((x - largest) / temperature));
  if (topK !== undefined && topK > 0 && topK < weights.length) {
    const limit = Float64Array.from(weights).sort().at(-topK)!;
    dropBelow(weights, limit);
  }
  if (topP !== undefined && topP < 1) dropTail(weights, topP);
  if (minP !== undefined && minP > 0) dropBelow(weights, minP);
  return weights;
}

function dropBelow(weights: Float64Array, limit: number): void {
  for (let i = 0; i < weights.length; i++) if (weights[i]! < limit) weights[i] = 0;
}

/** Drops the least likely tokens that together have at most 1 - `topP` of the probability; the largest stays. */
function dropTail(weights: Float64Array, topP: number): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = Array.from(weights.keys())
    .filter((i) => weights[i]! > 0)
    .sort((a, b) => weights[a]! - weights[b]!);
  let tail = 0;
  for (const i of order.slice(0, -1)) {
    tail += weights[i]!;
    if (tail / total > 1 - topP) return;
    weights[i] = 0;
  }
}

/**
 * Chooses a token after `text`: the most likely one at temperature 0; otherwise samples by inverting the cumulative
 * distribution at `u`, which is uniform in [0, 1).
 */
export function chooseToken(
  logits: Float32Array,
  sampling: Sampling,
  u: number,
  text: Iterable<number> = [],
): number {
  const penalized = penalizeRepetition(logits, text, sampling.repetitionPenalty);
  if (sampling.temperature === 0) return findLargest(penalized);
  const weights = weighTokens(penalized, sampling);
  let remaining = u * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < weights.length; i++) {
    remaining -= weights[i]!;
    if (remaining < 0) return i;
  }
  return findLargest(penalized); // rounding can leave a little
}

/** A token with its probability by the softmax of the logits as they are. */
export interface TokenProbability {
  readonly token: number;
  readonly probability: number;
}

/** The probability of `token`, and the `count` most likely tokens. */
export function listProbabilities(
  logits: Float32Array,
  token: number,
  count: number,
): { readonly probability: number; readonly top: readonly TokenProbability[] } {
  const largest = logits[findLargest(logits)]!;
  let total = 0;
  for (const x of logits) total += Math.exp(x - largest);
  const probabilityOf = (i: number): number => Math.exp(logits[i]! - largest) / total;
  const top: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    if (top.length === count && logits[i]! <= logits[top.at(-1)!]!) continue;
    const at = top.findIndex((other) => logits[other]! < logits[i]!);
    top.splice(at < 0 ? top.length : at, 0, i);
    top.length = Math.min(top.length, count);
  }
  return {
    probability: probabilityOf(token),
    top: top.map((i) => ({ token: i, probability: probabilityOf(i) })),
  };
}
