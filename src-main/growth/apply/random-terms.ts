/**
 * @file LEMON's projection: random entries on all copies of an input that sum to nothing over them, so that
 * copies part ways and their sum does not (methods.md 1.1, 7.3).
 */
import { keyOf, normalAt } from '../../base/random.ts';
import type { Values } from './apply.ts';
import type { TensorRecipe } from '../recipe.ts';
import type { Sides } from './sides.ts';

/**
 * Adds R - mean(R) over the copies of each input entry, for every written entry that has a source; R is
 * normal with deviation `projection`.
 */
export function addProjection(
  recipe: TensorRecipe,
  { rows, columns }: Sides,
  out: Values,
  seed: number,
): void {
  const inner = rows.role === 'in' ? rows : columns;
  const outer = inner === rows ? columns : rows;
  const key = keyOf(seed, recipe.name, 'projection');
  const deviation = recipe.projection!;
  const width = columns.to;
  const rounded = roundingOf(out);
  const twins = Array.from({ length: inner.from }, (): number[] => []);
  inner.source.forEach((from, entry) => {
    if (from >= 0) twins[from]!.push(entry);
  });
  const copied = twins.filter((entries) => entries.length > 1);
  for (let o = 0; o < outer.to; o++) {
    if (outer.source[o]! < 0) continue;
    for (const entries of copied) {
      const at = (i: number): number => (inner === rows ? i * width + o : o * width + i);
      let sum = 0;
      for (const i of entries) sum += normalAt(key, at(i));
      for (const i of entries)
        out[at(i)]! += rounded((normalAt(key, at(i)) - sum / entries.length) * deviation);
    }
  }
}

/** Adds normal values of deviation `perturbation` to every entry. */
export function perturb(recipe: TensorRecipe, out: Values, seed: number): void {
  const key = keyOf(seed, recipe.name, 'perturbation');
  const rounded = roundingOf(out);
  for (let i = 0; i < out.length; i++) out[i]! += rounded(normalAt(key, i) * recipe.perturbation);
}

/** What is added is rounded first, as a device rounds it. */
const roundingOf = (out: Values): ((x: number) => number) =>
  out instanceof Float32Array ? Math.fround : (x) => x;
