/**
 * @file What the same size would cost from random weights: the tokens it would need to reach the loss that
 * the source has already paid for, by a scaling law.
 */
import type { Range } from './range.ts';

/** L(N, D) = E + A / N^α + B / D^β for N parameters and D tokens. */
export interface Law {
  readonly name: string;
  readonly floor: number;
  readonly a: number;
  readonly alpha: number;
  readonly b: number;
  readonly beta: number;
}

/** Two fits to the same experiments; their distance is part of the range. */
export const laws: readonly Law[] = [
  { name: 'Hoffmann et al. 2022, approach 3', floor: 1.69, a: 406.4, alpha: 0.34, b: 410.7, beta: 0.28 },
  {
    name: 'Besiroglu et al. 2024, the same fitted anew',
    floor: 1.8172,
    a: 482.01,
    alpha: 0.3478,
    b: 2085.43,
    beta: 0.3658,
  },
];

export const lossAt = (law: Law, parameters: number, tokens: number): number =>
  law.floor + law.a / parameters ** law.alpha + law.b / tokens ** law.beta;

/**
 * Tokens that a model of `parameters` needs from random weights to reach `loss`; infinite where it never
 * does.
 */
export function tokensTo(law: Law, parameters: number, loss: number): number {
  const left = loss - law.floor - law.a / parameters ** law.alpha;
  return left > 0 ? (law.b / left) ** (1 / law.beta) : Infinity;
}

export interface Scratch {
  readonly tokens: Range;
  readonly assumption: string;
}

/**
 * Tokens to the loss of a source of `source` parameters that saw `each` tokens a parameter (half to twice
 * that in the range).
 */
export function fromScratch(source: number, target: number, each: number): Scratch {
  const at = (law: Law, share: number): number =>
    tokensTo(law, target, lossAt(law, source, source * each * share));
  const all = laws.flatMap((law) => [0.5, 1, 2].map((share) => at(law, share)));
  const likely = Math.sqrt(laws.map((law) => at(law, 1)).reduce((a, b) => a * b, 1));
  return {
    tokens: { low: Math.min(...all), likely, high: Math.max(...all) },
    assumption: `Chinchilla\u2019s law, the source having seen ${each} tokens a parameter (half to twice that in the range); an estimate for ordinary text, not for yours`,
  };
}
