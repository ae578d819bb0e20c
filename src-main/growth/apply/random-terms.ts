/** @file Random values added to grown weights: LEMON's projection, and perturbations of every entry. */
import { deriveKey, normalAt } from '../../base/random.ts';
import type { TensorRecipe } from '../recipe.ts';
import type { Values } from './copy-rows.ts';
import type { Sides } from './sides.ts';

/**
 * Adds R - mean(R) over the copies of each input entry, for every output entry with a source. R is normal with
 * the standard deviation `projection`. The copies differ and their sum stays the same (docs/methods.md, Symmetry
 * breaking).
 */
export function addProjection(
  recipe: TensorRecipe,
  { rows, columns }: Sides,
  out: Values,
  seed: number,
): void {
  const isRowInput = rows.role === 'in';
  const input = isRowInput ? rows : columns;
  const output = isRowInput ? columns : rows;
  const key = deriveKey(seed, recipe.name, 'projection');
  const std = recipe.projection!;
  const width = columns.to;
  const round = roundingFor(out);
  const copies = Array.from({ length: input.from }, (): number[] => []);
  input.source.forEach((from, entry) => {
    if (from >= 0) copies[from]!.push(entry);
  });
  const copied = copies.filter((entries) => entries.length > 1);
  for (let o = 0; o < output.to; o++) {
    if (output.source[o]! < 0) continue;
    for (const entries of copied) {
      const indexOf = (i: number): number => (isRowInput ? i * width + o : o * width + i);
      let sum = 0;
      for (const i of entries) sum += normalAt(key, indexOf(i));
      const mean = sum / entries.length;
      for (const i of entries) out[indexOf(i)]! += round((normalAt(key, indexOf(i)) - mean) * std);
    }
  }
}

/** Adds normal values with the standard deviation `perturbation` to every entry. */
export function perturb(recipe: TensorRecipe, out: Values, seed: number): void {
  const key = deriveKey(seed, recipe.name, 'perturbation');
  const round = roundingFor(out);
  for (let i = 0; i < out.length; i++) out[i]! += round(normalAt(key, i) * recipe.perturbation);
}

/** Terms are rounded to float32 before they are added, as on a device. */
const roundingFor = (out: Values): ((x: number) => number) =>
  out instanceof Float32Array ? Math.fround : (x) => x;
