/**
 * @file Makes a grown weight on the CPU in blocks of rows, with the same bits as the reference implementation.
 * Holds no more in memory than the block and its random values.
 */
import { downcastInto, type WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { computeAdditions, hasAdditions } from './apply.ts';
import { copyRows, type DowncastRow, type RowBlock } from './copy-rows.ts';
import { planNoise, type DrawnNoise, type Noise } from './noise.ts';
import { resolveSides } from './sides.ts';

/** The parts of a plan that every weight depends on. */
export interface RowContext {
  readonly maps: AxisMaps;
  readonly from: Dims;
  readonly to: Dims;
  readonly seed: number;
}

export interface RowMaker {
  /** Noise to draw before the first block; undefined if there is none. */
  readonly noise: Noise | undefined;
  /** Fills `out`, [block.rows, columns] in the recipe's dtype, with a block of the grown weight. */
  make(out: Float32Array | Uint16Array, block: RowBlock, drawn?: DrawnNoise): void;
}

/** Whether noise is the only random term, so that adding it last rounds in the same way. */
const hasOnlyNoise = ({ projection, perturbation }: TensorRecipe): boolean =>
  projection === null && perturbation === 0;

/** Whether blocks can be made without the other blocks in memory: nothing is added but paired noise. */
export const canSplitIntoBlocks = (recipe: TensorRecipe): boolean =>
  hasOnlyNoise(recipe) && !hasAdditions({ ...recipe, noise: null });

/** `source` and `second` are complete source weights in float32. `getBuffer` returns reusable memory. */
export function createRowMaker(
  recipe: TensorRecipe,
  { maps, from, to, seed }: RowContext,
  source: Float32Array,
  second: Float32Array | undefined,
  getBuffer: (bytes: number) => ArrayBuffer,
): RowMaker {
  if (recipe.zeroOutput)
    return {
      noise: undefined,
      make: (out) => {
        out.fill(0);
      },
    };
  const sides = resolveSides(recipe, maps, from, to);
  const width = sides.columns.to;
  const downcast = createDowncastRow(recipe.dtype);
  const addsNoiseLast = hasOnlyNoise(recipe) && recipe.noise !== null;
  const noise = addsNoiseLast ? planNoise(recipe, sides, source, seed) : undefined;
  const rest = addsNoiseLast ? { ...recipe, noise: null } : recipe;
  const additions = hasAdditions(rest) ? computeAdditions(rest, maps, from, to, source, seed) : undefined;
  if (!noise && !additions)
    return {
      noise,
      make: (out, block) => {
        copyRows(recipe, sides, source, second, out, block, downcast);
      },
    };
  return {
    noise,
    make(out, block, drawn) {
      const count = block.rows * width;
      const wide = out instanceof Float32Array ? out : new Float32Array(getBuffer(4 * count), 0, count);
      copyRows(recipe, sides, source, second, wide, block);
      if (additions) for (let i = 0, n = block.at * width; i < count; i++, n++) wide[i]! += additions[n]!;
      if (noise) noise.addTo(wide, block, drawn!);
      if (out instanceof Uint16Array) downcast!(wide, out);
    },
  };
}

/** Rounds rows to a 16-bit dtype; undefined for float32. */
function createDowncastRow(dtype: WeightDType): DowncastRow | undefined {
  if (dtype === 'float32') return undefined;
  return (row, into) => {
    downcastInto(row, dtype, into);
  };
}
