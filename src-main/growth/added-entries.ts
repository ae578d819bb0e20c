/** @file The new rows and columns inside of grown weights: padded entries, and second and later copies. */
import { countElements } from '../tensor/layout.ts';
import type { Side } from './apply/side.ts';
import { resolveSides } from './apply/sides.ts';
import type { GrowthPlan } from './recipe.ts';

/** A weight as a matrix (a vector is one row). An entry is new if its row or its column is: 1 for a new one. */
export interface AddedEntries {
  readonly rows: Uint8Array;
  readonly columns: Uint8Array;
}

const hasAny = (flags: Uint8Array): boolean => flags.includes(1);

/** The weights of the last stage that have new entries, with these. `stages` are applied in order. */
export function findAddedEntries(stages: readonly GrowthPlan[]): ReadonlyMap<string, AddedEntries> {
  let found = new Map<string, AddedEntries>();
  for (const { tensors, maps, from, to } of stages) {
    const before = found;
    found = new Map();
    for (const recipe of tensors) {
      const sides = resolveSides(recipe, maps, from, to);
      const earlier = before.get(recipe.source);
      const rows = flagNew(sides.rows, earlier?.rows);
      const columns = flagNew(sides.columns, earlier?.columns);
      if (hasAny(rows) || hasAny(columns)) found.set(recipe.name, { rows, columns });
    }
  }
  return found;
}

/** Entries without a source, further copies, and copies of what was new before. */
const flagNew = ({ source, copy }: Side, before: Uint8Array | undefined): Uint8Array =>
  Uint8Array.from(source, (from, i) => (from < 0 || copy[i]! > 0 || before?.[from] === 1 ? 1 : 0));

/** 1 for every new entry and 0 for every old one, in stored order. */
export function maskOf({ rows, columns }: AddedEntries, shape: readonly number[]): Float32Array {
  const mask = new Float32Array(countElements(shape));
  for (let i = 0, at = 0; i < rows.length; i++)
    for (let j = 0; j < columns.length; j++, at++) mask[at] = rows[i]! | columns[j]!;
  return mask;
}
