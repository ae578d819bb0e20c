/**
 * @file Counts copies that differ in float32 and are equal in a 16-bit type: rounding has removed the noise between
 * them, and they stay equal in training (docs/methods.md, Symmetry breaking).
 */
import { approximateNormalAt, deriveKey } from '../base/random.ts';
import { findOutputGroups, findPairs } from './apply/noise-pairs.ts';
import type { RowContext } from './apply/row-maker.ts';
import { resolveSides } from './apply/sides.ts';
import type { CopiedWeight } from './asymmetry.ts';
import type { TensorRecipe } from './recipe.ts';

export interface EqualCopies {
  /** Pairs of copies that differ in float32. */
  readonly pairs: number;
  /** Those that are equal in the 16-bit type. */
  readonly equal: number;
}

export const addCounts = (a: EqualCopies, b: EqualCopies): EqualCopies => ({
  pairs: a.pairs + b.pairs,
  equal: a.equal + b.equal,
});

/** Reads a row of a stored weight of a 16-bit type, as bits. */
export type ReadRow = (row: number) => Promise<Uint16Array>;

/** Whether a recipe makes copies that differ by noise alone, and rounds them. */
export const roundsNoise = ({ noise, dtype, zeroOutput, projection, perturbation }: TensorRecipe): boolean =>
  noise !== null && dtype !== 'float32' && !zeroOutput && projection === null && perturbation === 0;

/**
 * Counts the pairs of copies with +N and -N in up to `maxRows` rows, evenly spaced. Pairs whose N is zero are
 * equal in every type and not counted. `recipe` satisfies `roundsNoise`.
 */
export async function countEqualPairs(
  recipe: TensorRecipe,
  { maps, from, to, seed }: RowContext,
  readRow: ReadRow,
  maxRows = Infinity,
): Promise<EqualCopies> {
  const { rows, columns } = resolveSides(recipe, maps, from, to);
  const isRowInput = rows.role === 'in';
  const groups = findOutputGroups(isRowInput ? columns : rows);
  const pairs = findPairs(isRowInput ? rows : columns);
  let count = 0;
  let equal = 0;
  /** Compares one row of a set: entries `a[plus[j]]` and `b[minus[j]]`, whose N is number `first` + j of `key`. */
  const compare = (
    a: Uint16Array,
    plus: Int32Array,
    b: Uint16Array,
    minus: Int32Array,
    key: number,
    first: number,
  ): void => {
    for (let j = 0; j < plus.length; j++) {
      const isEqual = a[plus[j]!] === b[minus[j]!];
      if (isEqual && approximateNormalAt(key, first + j) === 0) continue;
      count++;
      if (isEqual) equal++;
    }
  };
  const keyOf = (group: string, pair: string): number => deriveKey(seed, recipe.name, 'noise', group, pair);
  if (isRowInput) {
    for (const pair of pairs)
      for (const i of spread(pair.plus.at.length, Math.ceil(maxRows / (2 * pairs.length)))) {
        const [a, b] = await Promise.all([readRow(pair.plus.at[i]!), readRow(pair.minus.at[i]!)]);
        for (const group of groups)
          compare(a, group.at, b, group.at, keyOf(group.id, pair.id), i * group.at.length);
      }
  } else {
    for (const group of groups)
      for (const i of spread(group.at.length, Math.ceil(maxRows / groups.length))) {
        const row = await readRow(group.at[i]!);
        for (const { id, plus, minus } of pairs)
          compare(row, plus.at, row, minus.at, keyOf(group.id, id), i * plus.at.length);
      }
  }
  return { pairs: count, equal };
}

/** At most `count` of the indices below `length`, evenly spaced. */
function* spread(length: number, count: number): Generator<number> {
  const step = Math.max(1, length / count);
  for (let at = 0; at < length; at += step) yield Math.floor(at);
}

/** Counts further copies that differ from the first in `before` and are equal to it in `after`, the rounded bits. */
export function countMergedCopies(
  { rows, columns, firstRow, firstColumn }: CopiedWeight,
  before: Float32Array,
  after: Uint16Array,
): EqualCopies {
  let pairs = 0;
  let equal = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const firstStart = (firstRow?.[row] ?? row) * columns;
    for (let column = 0; column < columns; column++) {
      const at = start + column;
      const first = firstStart + (firstColumn?.[column] ?? column);
      if (first === at || before[at] === before[first]) continue;
      pairs++;
      if (after[at] === after[first]) equal++;
    }
  }
  return { pairs, equal };
}

/** The count as a sentence without a full stop; undefined if no copies became equal. */
export function describeEqualCopies(
  { pairs, equal }: EqualCopies,
  dtype: string,
  { isSample }: { readonly isSample: boolean },
): string | undefined {
  if (equal === 0) return undefined;
  const share = (100 * equal) / pairs;
  const percent = share < 0.1 ? 'less than 0.1' : share.toFixed(share < 10 ? 1 : 0);
  const of = `${equal} of ${pairs} pairs${isSample ? ' in a sample of rows' : ''}`;
  return `${percent} % of the copies that differ in float32 are equal in ${dtype} (${of}): they stay equal in training`;
}
