/**
 * @file A grown weight made on the processor in blocks of rows: the interpreter's bits, with no more in
 * memory than the block and what is random.
 */
import { narrowInto, type WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import { additionsOf, takesAdditions } from './apply.ts';
import { carryRows, type Narrowing, type RowBlock } from './carry.ts';
import { noiseOf, type DrawnNoise, type Noise } from './noise.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { sidesOf } from './side.ts';

/** A growth's sizes and what its numbers are drawn from, for all weights. */
export interface RowPlan {
  readonly maps: AxisMaps;
  readonly from: Dims;
  readonly to: Dims;
  readonly seed: number;
}

export interface RowWork {
  /** To be drawn before the first block; undefined where there is none. */
  readonly noise: Noise | undefined;
  /** Fills `out` ([block.rows, columns], in the recipe's dtype) with a block of the grown weight. */
  make(out: Float32Array | Uint16Array, block: RowBlock, drawn?: DrawnNoise): void;
}

/**
 * Whether noise can be added by itself, after everything else; rounding in between would differ otherwise.
 */
const apart = ({ projection, perturbation }: TensorRecipe): boolean =>
  projection === null && perturbation === 0;

/**
 * Whether any block can be made without all others in memory: nothing is random or a mean but paired noise.
 */
export const inPieces = (recipe: TensorRecipe): boolean =>
  apart(recipe) && !takesAdditions({ ...recipe, noise: null });

/** `source` and `second` hold the whole source weights, widened; `room` gives memory that is used again. */
export function rowWork(
  recipe: TensorRecipe,
  { maps, from, to, seed }: RowPlan,
  source: Float32Array,
  second: Float32Array | undefined,
  room: (bytes: number) => ArrayBuffer,
): RowWork {
  if (recipe.silent)
    return {
      noise: undefined,
      make: (out) => {
        out.fill(0);
      },
    };
  const sides = sidesOf(recipe, maps, from, to);
  const rest = apart(recipe) ? { ...recipe, noise: null } : recipe;
  const width = sides.columns.to;
  const narrowing = narrowingTo(recipe.dtype);
  const noise = apart(recipe) && recipe.noise !== null ? noiseOf(recipe, sides, source, seed) : undefined;
  const additions = takesAdditions(rest) ? additionsOf(rest, maps, from, to, source, seed) : undefined;
  if (!noise && !additions)
    return {
      noise,
      make: (out, block) => {
        carryRows(recipe, sides, source, second, out, block, narrowing);
      },
    };
  return {
    noise,
    make(out, block, drawn) {
      const count = block.rows * width;
      const wide = out instanceof Float32Array ? out : new Float32Array(room(4 * count), 0, count);
      carryRows(recipe, sides, source, second, wide, block);
      if (additions) for (let i = 0, n = block.at * width; i < count; i++, n++) wide[i]! += additions[n]!;
      if (noise) noise.addTo(wide, block, drawn!);
      if (out instanceof Uint16Array) narrowing!(wide, out);
    },
  };
}

const narrowingTo = (dtype: WeightDType): Narrowing | undefined =>
  dtype === 'float32'
    ? undefined
    : (row, into) => {
        narrowInto(row, dtype, into);
      };
