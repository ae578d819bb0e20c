/**
 * @file How many tokens a model of the same size needs from random weights to reach the loss of the source, by two
 * published fits of one scaling law, and only inside the range that they were fitted to.
 */
import { formatCount } from '../base/format.ts';
import type { Range } from './range.ts';

/** L(N, D) = E + A / N^α + B / D^β for N parameters and D tokens. */
export interface ScalingLaw {
  readonly name: string;
  /** E, the loss that no model of any size gets below. */
  readonly irreducible: number;
  readonly a: number;
  readonly alpha: number;
  readonly b: number;
  readonly beta: number;
}

/**
 * Two fits to the same experiments; the range of an estimate covers both. The first has the parameters of the
 * paper's source file: those printed in the paper are rounded, which biases them (Besiroglu et al. 2024,
 * arXiv:2404.10102).
 */
export const scalingLaws: readonly ScalingLaw[] = [
  {
    name: 'Hoffmann et al. 2022 (arXiv:2203.15556), approach 3',
    irreducible: 1.6934,
    a: 406.4,
    alpha: 0.3392,
    b: 410.7,
    beta: 0.2849,
  },
  {
    name: 'Besiroglu et al. 2024 (arXiv:2404.10102), a refit of approach 3',
    irreducible: 1.8172,
    a: 482.01,
    alpha: 0.3478,
    b: 2085.43,
    beta: 0.3658,
  },
];

/**
 * The experiments behind both fits: models of 70 million to 16 billion parameters on 5 to 500 billion tokens
 * (abstract of arXiv:2203.15556).
 */
export const fittedRange = {
  parameters: { low: 70e6, high: 16e9 },
  tokens: { low: 5e9, high: 500e9 },
  source: 'arXiv:2203.15556',
} as const;

/** Nats per token. */
export const lossAt = (law: ScalingLaw, parameters: number, tokens: number): number =>
  law.irreducible + law.a / parameters ** law.alpha + law.b / tokens ** law.beta;

/** Tokens after which a model of `parameters` reaches `loss`; Infinity if it never does. */
export function tokensToReach(law: ScalingLaw, parameters: number, loss: number): number {
  const dataTerm = loss - law.irreducible - law.a / parameters ** law.alpha;
  return dataTerm > 0 ? (law.b / dataTerm) ** (1 / law.beta) : Infinity;
}

export interface TokensFromScratch {
  readonly tokens: Range;
  readonly assumption: string;
}

/** Why there is no estimate, as a clause. */
export interface NoEstimate {
  readonly why: string;
}

/**
 * Tokens that a model of `target` parameters needs to reach the loss of a source of `source` parameters that was
 * trained on `sourceTokens` tokens. No estimate if the law was not fitted to such sizes.
 */
export function estimateFromScratch(
  source: number,
  target: number,
  sourceTokens: number | undefined,
): TokensFromScratch | NoEstimate {
  if (sourceTokens === undefined)
    return { why: 'the number of tokens that the source was trained on is unknown' };
  const given =
    explainOutside('the source', source, 'parameters') ??
    explainOutside('the grown model', target, 'parameters') ??
    explainOutside('the source was trained on', sourceTokens, 'tokens');
  if (given !== undefined) return { why: given };
  const all = scalingLaws.map((law) => tokensToReach(law, target, lossAt(law, source, sourceTokens)));
  const low = Math.min(...all);
  const high = Math.max(...all);
  const found =
    explainOutside('it would need', low, 'tokens') ?? explainOutside('it would need', high, 'tokens');
  if (found !== undefined) return { why: found };
  const product = all.reduce((a, b) => a * b, 1);
  return {
    tokens: { low, likely: product ** (1 / all.length), high },
    assumption:
      `two fits of the Chinchilla scaling law, ${scalingLaws.map(({ name }) => name).join(' and ')}; ` +
      `source trained on ${formatCount(sourceTokens)} tokens; fitted to web text with another tokenizer, not to yours`,
  };
}

/** Why a number of parameters or tokens is outside the fitted range; undefined if it is inside. */
function explainOutside(subject: string, value: number, what: 'parameters' | 'tokens'): string | undefined {
  const { low, high } = fittedRange[what];
  if (value >= low && value <= high) return undefined;
  const verb = what === 'parameters' ? ' has' : '';
  const range = `${formatCount(low)} to ${formatCount(high)} ${what}`;
  const law = `the scaling law was fitted to ${range} (${fittedRange.source})`;
  return `${subject}${verb} ${formatCount(value)} ${what}, and ${law}`;
}
