/**
 * @file Which numbers of experts, slices and choices go together, and how much slices must be scaled
 * (methods.md 7.8).
 */
import { refuse } from '../../base/errors.ts';
import type { ModelFamily } from '../../model/family.ts';
import type { MixtureSettings } from '../method.ts';

/**
 * Refuses numbers that no mixture of this family can have, with the nearest that it can. `ffn` is the dense
 * MLP's.
 */
export function checkMixture(
  method: string,
  { experts, expertsPerToken: active, shards, normTopkProb: sums }: MixtureSettings,
  family: ModelFamily,
  ffn: number,
): void {
  const conflict = (option: string, value: number | string, why: string, nearest: readonly number[]): never =>
    refuse('growth/option-conflict', { method, option, value, why, nearest });
  if (ffn % shards !== 0)
    conflict(
      'shards',
      shards,
      `an MLP of ${ffn} units cannot be cut into so many equal slices`,
      around(shards, (n) => ffn % n === 0, ffn),
    );
  if (experts % shards !== 0)
    conflict(
      'experts',
      experts,
      `they are slices of whole MLPs, ${shards} of each`,
      around(experts, (n) => n % shards === 0, experts + shards),
    );
  if (active > experts) conflict('active', active, `there are ${experts} experts`, [experts]);
  if (active % shards !== 0)
    conflict(
      'active',
      active,
      `the ${shards} slices of an MLP are chosen together or not at all`,
      around(active, (n) => n % shards === 0, experts),
    );
  if (!sums && !family.mixture!.hasNormTopkProb)
    conflict('weights', 'shares', `a ${family.title} makes the weights of chosen experts sum to one`, []);
}

/** The nearest good numbers below and above, up to `most`. */
function around(n: number, good: (n: number) => boolean, most: number): readonly number[] {
  const found: number[] = [];
  for (let below = n - 1; below >= 1; below--)
    if (good(below)) {
      found.push(below);
      break;
    }
  for (let above = n + 1; above <= most; above++)
    if (good(above)) {
      found.push(above);
      break;
    }
  return found;
}

/**
 * What the outputs of slices are multiplied by, so that chosen ones add up to the MLP. Where their weights
 * sum to one, each group of equal weights holds 1 / shards of it;
 * where weights are shares of the softmax over all, an even router gives each chosen expert 1 / experts (He
 * et al. 2024, section 3.2).
 */
export const computeSliceScale = (experts: number, active: number, shards: number, sums: boolean): number =>
  sums ? shards : (experts * shards) / active;
