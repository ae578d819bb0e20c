/**
 * @file The reference interpreter: every weight of every family under every method passes through here.
 * Float32 in, float32 out, rounded where a device rounds; float64 in, float64 out, for proofs.
 */
import { keyOf, normalAt } from '../../base/random.ts';
import { countOf, type Dims } from '../../tensor/layout.ts';
import { copyRows, type Values } from './copy-rows.ts';
import { drawNoise, planNoise } from './noise.ts';
import { addProjection, perturb } from './random-terms.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { fillOrder, resolveSides, type Side, type Sides } from './sides.ts';

export type { Values };

/**
 * The grown weight. `maps`, `from`, `to` and `seed` are the plan's; `source` (and `second`, where the recipe
 * names one) hold source weights in stored order.
 */
export function applyRecipe<T extends Values>(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  source: T,
  seed: number,
  second?: T,
): T {
  const out = emptyLike(source, countOf(recipe.to));
  if (recipe.zeroOutput) return out;
  const sides = resolveSides(recipe, maps, from, to);
  copyRows(recipe, sides, source, second, out, { at: 0, rows: sides.rows.to });
  fillNew(recipe, sides, out, seed);
  if (Object.values(recipe.fills).includes('mean')) fillMean(sides, out);
  breakUp(recipe, sides, source, out, seed);
  return out;
}

/** What is random on old entries. */
function breakUp(recipe: TensorRecipe, sides: Sides, source: Values, out: Values, seed: number): void {
  if (recipe.noise !== null) {
    const noise = planNoise(recipe, sides, source, seed);
    noise.addTo(out, { at: 0, rows: sides.rows.to }, drawNoise(noise, new Int16Array(noise.count)));
  }
  if (recipe.projection !== null) addProjection(recipe, sides, out, seed);
  if (recipe.perturbation !== 0) perturb(recipe, out, seed);
}

/**
 * Whether anything but zero is added to carried values. Where it is not, who carries them need not look at
 * the weight at all.
 */
export const hasAdditions = (recipe: TensorRecipe): boolean =>
  recipe.noise !== null ||
  recipe.projection !== null ||
  recipe.perturbation !== 0 ||
  [...(recipe.partFills ?? []).map((p) => p.fill), ...Object.values(recipe.fills)].some(
    (fill) => fill !== 'zero',
  );

/**
 * What is added to carried values (0 where an entry is new) to make the grown weight: noise and fills, and
 * -0, which changes nothing, elsewhere. Float32.
 */
export function computeAdditions(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  source: Float32Array,
  seed: number,
): Float32Array {
  const sides = resolveSides(recipe, maps, from, to);
  const { rows, columns } = sides;
  const means = Object.values(recipe.fills).includes('mean');
  const out = means
    ? applyRecipe({ ...recipe, noise: null, projection: null, perturbation: 0 }, maps, from, to, source, seed)
    : new Float32Array(countOf(recipe.to));
  for (let r = 0; r < rows.to; r++)
    if (rows.fill[r] === 0)
      for (const { at, length } of columns.runs)
        out.fill(-0, r * columns.to + at, r * columns.to + at + length);
  if (!means) fillNew(recipe, sides, out, seed);
  breakUp(recipe, sides, source, out, seed);
  return out;
}

/** New entries: drawn ones depend on the seed, the weight's name and their place alone. */
function fillNew(recipe: TensorRecipe, { rows, columns }: Sides, out: Values, seed: number): void {
  const draw = fillOrder.indexOf('draw');
  const one = fillOrder.indexOf('one');
  const key = keyOf(seed, recipe.name, 'draw');
  if (!Object.values(recipe.fills).some((fill) => fill === 'draw' || fill === 'one')) return;
  const all = Int32Array.from({ length: columns.to }, (_, c) => c);
  const fresh = all.filter((c) => columns.fill[c]! > 0);
  for (let r = 0; r < rows.to; r++) {
    const row = rows.fill[r]!;
    const at = r * columns.to;
    const first = recipe.equalRows === undefined ? at : Math.floor(r / recipe.equalRows) * columns.to;
    for (const c of row === 0 ? fresh : all) {
      const rank = Math.max(row, columns.fill[c]!);
      if (rank === draw) out[at + c] = normalAt(key, first + c) * recipe.std;
      else if (rank === one) out[at + c] = 1 - recipe.offset;
    }
  }
}

/**
 * New entries that carry the mean of the old ones beside them: columns of old rows first, then whole rows.
 * Sums in float64, by rising index.
 */
function fillMean({ rows, columns }: Sides, out: Values): void {
  const mean = fillOrder.indexOf('mean');
  const width = columns.to;
  const oldRows = entries(rows, 0);
  const old = entries(columns, 0);
  const fresh = entries(columns, mean);
  if (fresh.length)
    for (const r of oldRows) {
      let sum = 0;
      for (const c of old) sum += out[r * width + c]!;
      for (const c of fresh) out[r * width + c] = sum / old.length;
    }
  if (!rows.fill.includes(mean)) return;
  const sums = new Float64Array(width);
  for (const r of oldRows) for (let c = 0; c < width; c++) sums[c]! += out[r * width + c]!;
  for (let r = 0; r < rows.to; r++)
    if (rows.fill[r] === mean)
      for (let c = 0; c < width; c++)
        if (columns.fill[c]! <= mean) out[r * width + c] = sums[c]! / oldRows.length;
}

/** The entries of a side with this rank of fill, rising. */
const entries = (side: Side, rank: number): Int32Array =>
  Int32Array.from({ length: side.to }, (_, i) => i).filter((i) => side.fill[i] === rank);
const emptyLike = <T extends Values>(values: T, count: number): T =>
  (values instanceof Float32Array ? new Float32Array(count) : new Float64Array(count)) as T;
