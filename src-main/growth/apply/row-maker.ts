/**
 * @file A grown weight made on the processor in blocks of rows: the interpreter's bits, with no more in
 * memory than the block and what is random.
 */
import { narrowInto, type WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import { computeAdditions, hasAdditions } from './apply.ts';
import { copyRows, type NarrowRow, type RowBlock } from './copy-rows.ts';
import { planNoise, type DrawnNoise, type Noise } from './noise.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { resolveSides } from './sides.ts';

/** A growth's sizes and what its numbers are drawn from, for all weights. */
export interface RowContext {
  readonly maps: AxisMaps;
  readonly from: Dims;
  readonly to: Dims;
  readonly seed: number;
}

export interface RowMaker {
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
export const canSplitIntoBlocks = (recipe: TensorRecipe): boolean =>
  apart(recipe) && !hasAdditions({ ...recipe, noise: null });

/** `source` and `second` hold the whole source weights, widened; `room` gives memory that is used again. */
export function createRowMaker(
  recipe: TensorRecipe,
  { maps, from, to, seed }: RowContext,
  source: Float32Array,
  second: Float32Array | undefined,
  room: (bytes: number) => ArrayBuffer,
): RowMaker {
  if (recipe.zeroOutput)
    return {
      noise: undefined,
      make: (out) => {
        out.fill(0);
      },
    };
  const sides = resolveSides(recipe, maps, from, to);
  const rest = apart(recipe) ? { ...recipe, noise: null } : recipe;
  const width = sides.columns.to;
  const narrowing = narrowingTo(recipe.dtype);
  const noise = apart(recipe) && recipe.noise !== null ? planNoise(recipe, sides, source, seed) : undefined;
  const additions = hasAdditions(rest) ? computeAdditions(rest, maps, from, to, source, seed) : undefined;
  if (!noise && !additions)
    return {
      noise,
      make: (out, block) => {
        copyRows(recipe, sides, source, second, out, block, narrowing);
      },
    };
  return {
    noise,
    make(out, block, drawn) {
      const count = block.rows * width;
      const wide = out instanceof Float32Array ? out : new Float32Array(room(4 * count), 0, count);
      copyRows(recipe, sides, source, second, wide, block);
      if (additions) for (let i = 0, n = block.at * width; i < count; i++, n++) wide[i]! += additions[n]!;
      if (noise) noise.addTo(wide, block, drawn!);
      if (out instanceof Uint16Array) narrowing!(wide, out);
    },
  };
}

const narrowingTo = (dtype: WeightDType): NarrowRow | undefined =>
  dtype === 'float32'
    ? undefined
    : (row, into) => {
        narrowInto(row, dtype, into);
      };
