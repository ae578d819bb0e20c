/** @file How many tokens a model of the same size needs from random weights to reach the loss of the source. */
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

/** Two fits to the same experiments. The range of an estimate covers both. */
export const scalingLaws: readonly ScalingLaw[] = [
  {
    name: 'Hoffmann et al. 2022, approach 3',
    irreducible: 1.69,
    a: 406.4,
    alpha: 0.34,
    b: 410.7,
    beta: 0.28,
  },
  {
    name: 'Besiroglu et al. 2024, a refit of approach 3',
    irreducible: 1.8172,
    a: 482.01,
    alpha: 0.3478,
    b: 2085.43,
    beta: 0.3658,
  },
];

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

/**
 * Tokens that a model of `target` parameters needs to reach the loss of a source of `source` parameters. The
 * source was trained on `tokensPerParameter` tokens per parameter; the range covers half to twice that.
 */
export function estimateFromScratch(
  source: number,
  target: number,
  tokensPerParameter: number,
): TokensFromScratch {
  const tokensNeeded = (law: ScalingLaw, share: number): number => {
    const loss = lossAt(law, source, source * tokensPerParameter * share);
    return tokensToReach(law, target, loss);
  };
  const all = scalingLaws.flatMap((law) => [0.5, 1, 2].map((share) => tokensNeeded(law, share)));
  const product = scalingLaws.map((law) => tokensNeeded(law, 1)).reduce((a, b) => a * b, 1);
  return {
    tokens: { low: Math.min(...all), likely: Math.sqrt(product), high: Math.max(...all) },
    assumption:
      `Chinchilla scaling law; source trained on ${tokensPerParameter} tokens per parameter ` +
      '(the range covers half to twice that); fitted to general web text, not to your data',
  };
}
