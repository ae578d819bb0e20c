/**
 * @file The reference implementation of a recipe. Float32 input gives float32 output, rounded where a device
 * rounds; float64 input gives float64 output, for exact tests.
 */
import { deriveKey, normalAt } from '../../base/random.ts';
import { countElements, type Dims } from '../../tensor/layout.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { copyRows, type Values } from './copy-rows.ts';
import { drawNoise, planNoise } from './noise.ts';
import { addProjection, perturb } from './random-terms.ts';
import { fillOrder, type Side } from './side.ts';
import { resolveSides, type Sides } from './sides.ts';

/**
 * The grown weight. `maps`, `from`, `to` and `seed` are the plan's. `source`, and `second` if the recipe names
 * one, hold source weights in stored order.
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
  const count = countElements(recipe.to);
  const out = (source instanceof Float32Array ? new Float32Array(count) : new Float64Array(count)) as T;
  if (recipe.zeroOutput) return out;
  const sides = resolveSides(recipe, maps, from, to);
  copyRows(recipe, sides, source, second, out, { at: 0, rows: sides.rows.to });
  fillRandomAndOnes(recipe, sides, out, seed);
  if (readsOldEntries(recipe)) fillFromOldEntries(sides, out);
  addRandomTerms(recipe, sides, source, out, seed);
  return out;
}

/** Whether new entries are computed from old ones. */
const readsOldEntries = ({ fills }: TensorRecipe): boolean =>
  Object.values(fills).some((fill) => fill === 'mean' || fill === 'between');

/** Adds paired noise, the projection and the perturbation. */
function addRandomTerms(recipe: TensorRecipe, sides: Sides, source: Values, out: Values, seed: number): void {
  if (recipe.noise !== null) {
    const noise = planNoise(recipe, sides, source, seed);
    const drawn = drawNoise(noise, new Int16Array(noise.count));
    noise.addTo(out, { at: 0, rows: sides.rows.to }, drawn);
  }
  if (recipe.projection !== null) addProjection(recipe, sides, out, seed);
  if (recipe.perturbation !== 0) perturb(recipe, out, seed);
}

/** Whether anything but zero is added to copied values. If not, `computeAdditions` need not be called. */
export function hasAdditions(recipe: TensorRecipe): boolean {
  const fills = [...(recipe.partFills ?? []).map((part) => part.fill), ...Object.values(recipe.fills)];
  return (
    recipe.noise !== null ||
    recipe.projection !== null ||
    recipe.perturbation !== 0 ||
    fills.some((fill) => fill !== 'zero')
  );
}

/**
 * The values to add to copied values (0 in new entries) to get the grown weight: random terms and fills, and
 * -0 elsewhere, which keeps the bits of every sum. In float32.
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
  const deterministic: TensorRecipe = { ...recipe, noise: null, projection: null, perturbation: 0 };
  const out = readsOldEntries(recipe)
    ? applyRecipe(deterministic, maps, from, to, source, seed)
    : new Float32Array(countElements(recipe.to));
  for (let r = 0; r < rows.to; r++) {
    if (rows.fill[r] !== 0) continue;
    const start = r * columns.to;
    for (const { at, length } of columns.runs) out.fill(-0, start + at, start + at + length);
  }
  if (!readsOldEntries(recipe)) fillRandomAndOnes(recipe, sides, out, seed);
  addRandomTerms(recipe, sides, source, out, seed);
  return out;
}

/** Random values depend only on the seed, the name of the weight and the position. */
function fillRandomAndOnes(recipe: TensorRecipe, { rows, columns }: Sides, out: Values, seed: number): void {
  const draw = fillOrder.indexOf('draw');
  const one = fillOrder.indexOf('one');
  if (!Object.values(recipe.fills).some((fill) => fill === 'draw' || fill === 'one')) return;
  const key = deriveKey(seed, recipe.name, 'draw');
  const { std, offset } = recipe;
  const columnFill = columns.fill;
  const all = Int32Array.from({ length: columns.to }, (_, c) => c);
  const newColumns = all.filter((c) => columnFill[c]! > 0);
  for (let r = 0; r < rows.to; r++) {
    const rowFill = rows.fill[r]!;
    const start = r * columns.to;
    const firstEqualRow = recipe.equalRows === undefined ? r : Math.floor(r / recipe.equalRows);
    const drawStart = firstEqualRow * columns.to;
    for (const c of rowFill === 0 ? newColumns : all) {
      const rank = Math.max(rowFill, columnFill[c]!);
      if (rank === draw) out[start + c] = normalAt(key, drawStart + c) * std;
      else if (rank === one) out[start + c] = 1 - offset;
    }
  }
}

/** Fills new entries from the old ones: columns within old rows first, then whole rows. */
function fillFromOldEntries({ rows, columns }: Sides, out: Values): void {
  const oldRows = findEntries(rows, 0);
  fillMeanColumns(columns, oldRows, out);
  if (rows.fill.includes(fillOrder.indexOf('mean'))) fillMeanRows(rows, columns, oldRows, out);
  if (rows.fill.includes(fillOrder.indexOf('between'))) fillRowsBetween(rows, columns, oldRows, out);
}

/** Rows between two old ones are interpolated linearly; those behind the last old row repeat it. */
function fillRowsBetween(rows: Side, columns: Side, oldRows: Int32Array, out: Values): void {
  const between = fillOrder.indexOf('between');
  const width = columns.to;
  oldRows.forEach((before, i) => {
    const after = oldRows[i + 1] ?? rows.to;
    const isLast = i === oldRows.length - 1;
    for (let r = before + 1; r < after; r++) {
      if (rows.fill[r] !== between) continue;
      const share = isLast ? 0 : (r - before) / (after - before);
      for (let c = 0; c < width; c++) {
        const start = out[before * width + c]!;
        const end = isLast ? start : out[after * width + c]!;
        out[r * width + c] = start + share * (end - start);
      }
    }
  });
}

/** Sums are in float64, by increasing index. */
function fillMeanColumns(columns: Side, oldRows: Int32Array, out: Values): void {
  const width = columns.to;
  const old = findEntries(columns, 0);
  const filled = findEntries(columns, fillOrder.indexOf('mean'));
  if (filled.length === 0) return;
  for (const r of oldRows) {
    let sum = 0;
    for (const c of old) sum += out[r * width + c]!;
    for (const c of filled) out[r * width + c] = sum / old.length;
  }
}

function fillMeanRows(rows: Side, columns: Side, oldRows: Int32Array, out: Values): void {
  const mean = fillOrder.indexOf('mean');
  const width = columns.to;
  const sums = new Float64Array(width);
  for (const r of oldRows) for (let c = 0; c < width; c++) sums[c]! += out[r * width + c]!;
  for (const r of findEntries(rows, mean))
    for (let c = 0; c < width; c++)
      if (columns.fill[c]! <= mean) out[r * width + c] = sums[c]! / oldRows.length;
}

/** The entries of a side with this rank in `fillOrder`, in increasing order. */
const findEntries = (side: Side, rank: number): Int32Array =>
  Int32Array.from({ length: side.to }, (_, i) => i).filter((i) => side.fill[i] === rank);
