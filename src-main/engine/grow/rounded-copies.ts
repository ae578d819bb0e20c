/** @file Counts copies in a written checkpoint whose noise was lost by rounding to a 16-bit type. */
import { addCounts, countEqualPairs, describeEqualCopies, roundsNoise } from '../../growth/equal-copies.ts';
import type { GrowthPlan } from '../../growth/recipe.ts';
import { openCheckpoint, readTensorRange } from '../../store/checkpoint/checkpoint.ts';

/** Rows of a weight that are read. All rows of smaller weights are. */
const maxRows = 64;

/** A sentence about the copies that are equal although noise was added to them; none if there are none. */
export async function findRoundedCopies(dir: string, plan: GrowthPlan): Promise<readonly string[]> {
  const recipes = plan.tensors.filter(roundsNoise);
  if (recipes.length === 0) return [];
  const checkpoint = await openCheckpoint(dir);
  const context = { maps: plan.maps, from: plan.from, to: plan.to, seed: plan.request.seed };
  let total = { pairs: 0, equal: 0 };
  for (const recipe of recipes) {
    const columns = recipe.to.at(-1)!;
    const readRow = async (row: number): Promise<Uint16Array> => {
      const bits = new Uint16Array(columns);
      await readTensorRange(checkpoint, recipe.name, 2 * row * columns, new Uint8Array(bits.buffer));
      return bits;
    };
    total = addCounts(total, await countEqualPairs(recipe, context, readRow, maxRows));
  }
  const isSample = recipes.some(({ to }) => to[0]! > maxRows);
  const dtypes = [...new Set(recipes.map(({ dtype }) => dtype))].join(' and ');
  const note = describeEqualCopies(total, dtypes, { isSample });
  return note === undefined ? [] : [note];
}
