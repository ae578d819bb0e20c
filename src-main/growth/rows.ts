/** @file A grown weight made on the processor in blocks of rows: the interpreter's bits, with no more in memory than the block and what is random. */
import { narrowInto, type WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
import { additionsOf } from './apply.ts';
import { carryRows, type Narrowing, type RowBlock } from './carry.ts';
import { noiseOf, type Bells } from './noise.ts';
import { takesAdditions } from './device-graph.ts';
import type { AxisMaps, TensorRecipe } from './recipe.ts';
import { sidesOf } from './side.ts';

/** Memory that is used again from weight to weight, by name, and who draws the numbers of noise. */
export interface RowTools { readonly draw?: Bells; room(name: 'noise' | 'wide', bytes: number): ArrayBuffer }

/** Fills `out` ([block.rows, columns], in the recipe's dtype) with a block of the grown weight. */
export type RowMaker = (out: Float32Array | Uint16Array, block: RowBlock) => void;

/** `source` and `second` hold the whole source weights, widened. */
export function rowMaker(recipe: TensorRecipe, maps: AxisMaps, from: Dims, to: Dims, source: Float32Array, second: Float32Array | undefined, seed: number, { draw, room }: RowTools): RowMaker {
  if (recipe.silent) return (out) => { out.fill(0); };
  const sides = sidesOf(recipe, maps, from, to), apart = recipe.projection === null && recipe.perturbation === 0, rest = apart ? { ...recipe, noise: null } : recipe;
  const noise = apart && recipe.noise !== null ? noiseOf(recipe, sides, source, seed, draw, (count) => new Int16Array(room('noise', 2 * count), 0, count)) : undefined;
  const additions = takesAdditions(rest) ? additionsOf(rest, maps, from, to, source, seed) : undefined, narrowing = narrowingTo(recipe.dtype), width = sides.columns.to;
  if (!noise && !additions) return (out, block) => { carryRows(recipe, sides, source, second, out, block, narrowing); };
  return (out, block) => {
    const count = block.rows * width, wide = out instanceof Float32Array ? out : new Float32Array(room('wide', 4 * count), 0, count);
    carryRows(recipe, sides, source, second, wide, block);
    if (additions) for (let i = 0, n = block.at * width; i < count; i++, n++) wide[i]! += additions[n]!;
    noise?.addTo(wide, block);
    if (out instanceof Uint16Array) narrowing!(wide, out);
  };
}

const narrowingTo = (dtype: WeightDType): Narrowing | undefined => (dtype === 'float32' ? undefined : (row, into) => { narrowInto(row, dtype, into); });
