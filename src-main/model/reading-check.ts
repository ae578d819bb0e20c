/**
 * @file Whether the loss of a model on a text is that of a trained model. A certificate compares a grown model with
 * its source and cannot see an error that both share, such as a config.json that is read wrongly.
 */

/** What a model says about a text. Losses and entropies are means in nats per token. */
export interface ReadingMeasures {
  readonly tokens: number;
  readonly loss: number;
  /** Entropy of the model's predictions. */
  readonly entropy: number;
  /** ln of the vocabulary size: the loss of a model that knows nothing. */
  readonly uniform: number;
  /** Entropy of the tokens of the text: the loss of a model that knows how often each of them occurs, and no order. */
  readonly unigram: number;
  /** Loss at the first and at the last positions of the windows; null if there are too few of them. */
  readonly byPosition: { readonly first: number; readonly last: number } | null;
  /** Positions whose logits are not finite. */
  readonly nonFinite: number;
}

export type ReadingVerdict = 'plausible' | 'implausible' | 'untrained-looking';

export interface ReadingCheck extends ReadingMeasures {
  readonly verdict: ReadingVerdict;
  /** A sentence without a full stop. */
  readonly why: string;
  readonly text: string;
  readonly contextLength: number;
}

/** Predictions are nearly uniform above this share of the largest entropy: that of random weights. */
const untrainedShare = 0.9;
/** A context that is read rightly helps: later positions are not worse than the first ones by more than this. */
const maxRise = 0.5;
/** A trained model knows how sure it may be: its loss is close to the entropy of its predictions. */
const maxOverconfidence = 1.5;

/** Judges the measures. The thresholds were chosen on models with right and wrong settings (docs/input-files.md). */
export function judgeReading(measures: ReadingMeasures): Pick<ReadingCheck, 'verdict' | 'why'> {
  const { loss, entropy, uniform, unigram, byPosition, nonFinite } = measures;
  const frequencies = 'which the frequencies of the tokens alone would give';
  const nats = (value: number): string => value.toFixed(2);
  if (nonFinite > 0) return { verdict: 'implausible', why: 'it has logits that are not finite' };
  if (entropy >= untrainedShare * uniform && loss >= untrainedShare * uniform)
    return {
      verdict: 'untrained-looking',
      why: `its predictions are nearly uniform: entropy ${nats(entropy)} of ${nats(uniform)}`,
    };
  if (loss >= unigram)
    return {
      verdict: 'implausible',
      why: `its loss ${nats(loss)} is above ${nats(unigram)}, ${frequencies}`,
    };
  if (byPosition && byPosition.last > byPosition.first + maxRise)
    return {
      verdict: 'implausible',
      why: `context harms it: loss ${nats(byPosition.first)} at the first positions, ${nats(byPosition.last)} later`,
    };
  if (loss > entropy + maxOverconfidence)
    return {
      verdict: 'implausible',
      why: `it is too sure: loss ${nats(loss)}, where the entropy of its predictions is ${nats(entropy)}`,
    };
  return {
    verdict: 'plausible',
    why: `its loss ${nats(loss)} is below ${nats(unigram)}, ${frequencies}`,
  };
}

/** Positions at either end of a window that are compared, and the windows that are needed. */
const comparedPositions = 16;
const minWindows = 3;

export interface ReadingMeter {
  /** Adds a window: its logits [positions, vocab], and the token that follows each position. */
  add(logits: Float32Array, next: ArrayLike<number>): void;
  result(): ReadingMeasures;
}

/** Collects the measures window by window. Sums are in float64. */
export function createReadingMeter(vocab: number): ReadingMeter {
  const counts = new Map<number, number>();
  const sums = { loss: 0, entropy: 0, first: 0, last: 0, compared: 0, tokens: 0, nonFinite: 0, windows: 0 };
  return {
    add(logits, next) {
      const positions = next.length;
      const hasEnds = positions >= 4 * comparedPositions;
      sums.windows += hasEnds ? 1 : 0;
      for (let t = 0; t < positions; t++) {
        const token = next[t]!;
        const { loss, entropy } = measurePosition(logits, t * vocab, vocab, token);
        counts.set(token, (counts.get(token) ?? 0) + 1);
        sums.tokens++;
        if (!Number.isFinite(loss)) {
          sums.nonFinite++;
          continue;
        }
        sums.loss += loss;
        sums.entropy += entropy;
        if (!hasEnds) continue;
        if (t < comparedPositions) sums.first += loss;
        if (t >= positions - comparedPositions) {
          sums.last += loss;
          sums.compared++;
        }
      }
    },
    result() {
      const { tokens, nonFinite, compared } = sums;
      const finite = Math.max(1, tokens - nonFinite);
      const unigram = [...counts.values()].reduce((sum, n) => sum - n * Math.log(n / tokens), 0) / tokens;
      return {
        tokens,
        nonFinite,
        loss: sums.loss / finite,
        entropy: sums.entropy / finite,
        uniform: Math.log(vocab),
        unigram,
        byPosition:
          sums.windows >= minWindows ? { first: sums.first / compared, last: sums.last / compared } : null,
      };
    },
  };
}

/** The loss on `token` and the entropy of one position's predictions; NaN if a logit is not finite. */
function measurePosition(
  logits: Float32Array,
  start: number,
  vocab: number,
  token: number,
): { readonly loss: number; readonly entropy: number } {
  let top = -Infinity;
  for (let v = start; v < start + vocab; v++) if (!(logits[v]! <= top)) top = logits[v]!;
  let total = 0;
  let weighted = 0;
  for (let v = start; v < start + vocab; v++) {
    const shifted = logits[v]! - top;
    const weight = Math.exp(shifted);
    total += weight;
    if (weight > 0) weighted += weight * shifted;
  }
  const logTotal = Math.log(total);
  return { loss: top + logTotal - logits[start + token]!, entropy: logTotal - weighted / total };
}
