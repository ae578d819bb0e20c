/**
 * @file Paired noise: one copy of an input gets +N and its partner -N, so that equal copies have the same sum
 * (docs/methods.md, Symmetry breaking).
 */
import { approximateNormalAt, deriveKey } from '../../base/random.ts';
import type { TensorRecipe } from '../recipe.ts';
import { addToColumns, addToRows, type AddNoise, type DrawnNoise, type NoiseSet } from './add-noise.ts';
import type { Values } from './copy-rows.ts';
import { findOutputGroups, findPairs, isContiguous, type Group, type Pair } from './noise-pairs.ts';
import type { Side } from './side.ts';
import type { Sides } from './sides.ts';

export type { DrawnNoise, NoiseSet };

/**
 * Fills `into` with the numbers `first`, `first` + 1, ... of `key` (see `approximateNormalAt` in
 * base/random.ts) and returns the exact sum of their squares. `first` is 0 by default.
 */
export type DrawApproximateNormals = (key: number, into: Int16Array, first?: number) => number;

export const drawApproximateNormals: DrawApproximateNormals = (key, into, first = 0) => {
  let squares = 0;
  for (let i = 0; i < into.length; i++) {
    const value = approximateNormalAt(key, first + i);
    into[i] = value;
    squares += value * value;
  }
  return squares;
};

/** The noise of a weight in parts that can be computed in any order, and by several threads. */
export interface Noise {
  /** Number of random numbers. */
  readonly count: number;
  readonly sets: readonly NoiseSet[];
  readonly powerCount: number;
  /** Mean square of the grown weight over one copy of a block of outputs. */
  power(index: number): number;
  /** The scale of a set with this sum of squares. */
  scale(set: NoiseSet, squares: number, power: number): number;
  readonly addTo: AddNoise;
}

/**
 * Adds +N and -N to copies 2p and 2p + 1 of the first copied input axis; an odd last copy gets none. N has
 * exactly the requested power in each block: a copy of a head of the output, and a pair of input copies.
 */
export function planNoise(recipe: TensorRecipe, sides: Sides, source: Values, seed: number): Noise {
  const { rows, columns, scale } = sides;
  const isRowInput = rows.role === 'in';
  const input = isRowInput ? rows : columns;
  const groups = findOutputGroups(isRowInput ? columns : rows);
  const pairs = findPairs(input);
  const rowsAndColumns = (group: Group, { plus }: Pair): readonly [Group, Group] =>
    isRowInput ? [plus, group] : [group, plus];

  // The powers of all copies of a block are equal, so the first copy is measured.
  const byBlock = new Map(groups.toReversed().map((group) => [group.block, group]));
  const measured = pairs.length === 0 ? [] : [...byBlock.values()];
  const powerIndices = new Map(measured.map((group, i) => [group.block, i]));

  let count = 0;
  const sets: NoiseSet[] = [];
  for (const group of groups)
    for (const pair of pairs) {
      const size = group.at.length * pair.plus.at.length;
      const key = deriveKey(seed, recipe.name, 'noise', group.id, pair.id);
      sets.push({ key, from: count, count: size, powerIndex: powerIndices.get(group.block)! });
      count += size;
    }

  const noiseToSignal = decibelsToPowerRatio(-recipe.noise!);
  const totalScale = scale * (recipe.spread === 'diagonal' ? 1 / input.copies : 1);
  const layout = { groups, pairs, sets, rows: rows.to, width: columns.to };
  return {
    count,
    sets,
    powerCount: measured.length,
    power(index) {
      const [row, column] = rowsAndColumns(measured[index]!, pairs[0]!);
      return computePower(source, row, column, rows, columns, totalScale);
    },
    scale(set, squares, power) {
      return squares === 0 ? 0 : Math.sqrt((power * noiseToSignal) / (squares / set.count));
    },
    addTo: isRowInput ? addToColumns(layout) : addToRows(layout),
  };
}

/** Draws all of a weight's noise. `buffer` receives the random numbers and has `noise.count` entries. */
export function drawNoise(
  noise: Noise,
  buffer: Int16Array,
  draw: DrawApproximateNormals = drawApproximateNormals,
): DrawnNoise {
  const powers = Array.from({ length: noise.powerCount }, (_, i) => noise.power(i));
  const scales = Float64Array.from(noise.sets, (set) => {
    const squares = draw(set.key, buffer.subarray(set.from, set.from + set.count));
    return noise.scale(set, squares, powers[set.powerIndex]!);
  });
  return { approximateNormals: buffer, scales };
}

/** Mean square of scaled values over a block, summed in float64 in stored order. */
function computePower(
  source: Values,
  rowGroup: Group,
  columnGroup: Group,
  rows: Side,
  columns: Side,
  scale: number,
): number {
  const isSingle = source instanceof Float32Array;
  const columnSources = columnGroup.sources;
  const isPlain = isSingle && columns.scale === null && isContiguous(columnSources);
  const count = columnSources.length;
  let sum = 0;
  for (let i = 0; i < rowGroup.sources.length; i++) {
    const start = rowGroup.sources[i]! * columns.from;
    const rowScale = scale * (rows.scale?.[rowGroup.at[i]!] ?? 1);
    if (isPlain) {
      const by = Math.fround(rowScale);
      const first = start + columnSources[0]!;
      const end = first + count;
      for (let j = first; j < end; j++) {
        const value = Math.fround(source[j]! * by);
        sum += value * value;
      }
      continue;
    }
    for (let j = 0; j < count; j++) {
      const by = rowScale * (columns.scale?.[columnGroup.at[j]!] ?? 1);
      const value = source[start + columnSources[j]!]! * (isSingle ? Math.fround(by) : by);
      sum += isSingle ? Math.fround(value) ** 2 : value ** 2;
    }
  }
  return sum / (rowGroup.sources.length * count);
}

const nepersPerDecibel = Math.LN10 / 10;

/**
 * 10^(dB / 10), by a power series and repeated squaring. `Math.pow` may give different bits on different
 * machines.
 */
export function decibelsToPowerRatio(dB: number): number {
  const x = (dB * nepersPerDecibel) / 1024;
  let term = 1;
  let sum = 1;
  for (let i = 1; i <= 12; i++) {
    term *= x / i;
    sum += term;
  }
  for (let i = 0; i < 10; i++) sum *= sum;
  return sum;
}
