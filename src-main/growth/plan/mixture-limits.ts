/** @file Which numbers of experts, slices and experts per token are possible (docs/methods.md, upcycle). */
import { refuse } from '../../base/errors.ts';
import type { ModelFamily } from '../../model/family.ts';
import type { MixtureSettings } from '../method.ts';

/**
 * Refuses numbers that no mixture of this family can have, with the nearest possible ones. `ffn` is the size
 * of the dense MLP.
 */
export function checkMixture(
  method: string,
  { experts, expertsPerToken, shards, normTopkProb }: MixtureSettings,
  family: ModelFamily,
  ffn: number,
): void {
  const conflict = (option: string, value: number | string, why: string, nearest: readonly number[]): never =>
    refuse('growth/option-conflict', { method, option, value, why, nearest });
  const isMultiple = (n: number): boolean => n % shards === 0;
  if (ffn % shards !== 0) {
    const nearest = findNearest(shards, (n) => ffn % n === 0, ffn);
    conflict('shards', shards, `an MLP of ${ffn} units cannot be split into so many equal slices`, nearest);
  }
  if (!isMultiple(experts)) {
    const nearest = findNearest(experts, isMultiple, experts + shards);
    conflict('experts', experts, `each MLP is split into ${shards} slices`, nearest);
  }
  if (expertsPerToken > experts)
    conflict('active', expertsPerToken, `there are ${experts} experts`, [experts]);
  if (!isMultiple(expertsPerToken)) {
    const nearest = findNearest(expertsPerToken, isMultiple, experts);
    conflict('active', expertsPerToken, `the ${shards} slices of an MLP are selected together`, nearest);
  }
  if (!normTopkProb && !family.mixture!.hasNormTopkProb)
    conflict('weights', 'shares', `${family.title} normalizes the weights of the selected experts`, []);
}

/** The nearest good numbers below and above `n`; the upper one is at most `max`. */
function findNearest(n: number, isGood: (n: number) => boolean, max: number): readonly number[] {
  const found: number[] = [];
  for (let below = n - 1; below >= 1; below--)
    if (isGood(below)) {
      found.push(below);
      break;
    }
  for (let above = n + 1; above <= max; above++)
    if (isGood(above)) {
      found.push(above);
      break;
    }
  return found;
}

/**
 * The factor on the outputs of slices with which the selected ones add up to the MLP. With normalized weights
 * each group of equal weights holds 1 / shards of it. Without, a uniform router gives each selected expert the
 * weight 1 / experts (He et al. 2024, section 3.2).
 */
export const computeSliceScale = (
  experts: number,
  expertsPerToken: number,
  shards: number,
  normTopkProb: boolean,
): number => (normTopkProb ? shards : (experts * shards) / expertsPerToken);
