/** @file One stored dimension of a grown weight, its named axes composed: where each entry comes from, which copy it is, how it is filled. Everything that executes a recipe reads these. */
import { copiesOf, keep, sources, type AxisMap } from '../tensor/axis-map.ts';
import { layoutOf, type Axis, type Dims, type Role } from '../tensor/layout.ts';
import type { AxisMaps, Fill, TensorRecipe } from './recipe.ts';

/** Entries `at`... of the grown side are `from`... of the source, all of one copy and one scale. */
export interface Run { readonly at: number; readonly from: number; readonly length: number; readonly copy: number }

export interface SideAxis { readonly axis: Axis; readonly role: Role; readonly map: AxisMap; /** Grown and source entries that one step of this axis spans. */ readonly stride: number; readonly sourceStride: number }

export interface Side {
  readonly axes: readonly SideAxis[];
  readonly role: Role;
  readonly from: number;
  readonly to: number;
  /** For each entry its source entry, or -1. */
  readonly source: Int32Array;
  /** For each entry its copy number over all axes together (mixed radix), or -1. */
  readonly copy: Int32Array;
  readonly copies: number;
  /** For each entry 0, or how it is filled: the rank of its fill in `fillOrder`. */
  readonly fill: Uint8Array;
  /** Factors that hold for some entries only; null where there are none. */
  readonly scale: Float64Array | null;
  readonly runs: readonly Run[];
}

/** Fills by rising precedence; rank 0 is an entry that has a source. */
export const fillOrder: readonly (Fill | null)[] = [null, 'mean', 'draw', 'one', 'zero'];

/** The weight as a matrix of rows × columns; a vector is one row. */
export interface Sides { readonly rows: Side; readonly columns: Side; readonly scale: number }

/** Both sides of a recipe, and the product of the factors that hold everywhere. */
export function sidesOf(recipe: TensorRecipe, maps: AxisMaps, from: Dims, to: Dims): Sides {
  const layout = layoutOf(recipe.layout);
  let next = 0;
  const sides = layout.dimensions.map((count) => sideOf(recipe, layout.axes.slice(next, (next += count)), maps, from, to));
  const scale = recipe.factors.reduce((product, f) => (f.part ? product : product * f.by), 1);
  return sides.length === 1 ? { rows: unit, columns: sides[0]!, scale } : { rows: sides[0]!, columns: sides[1]!, scale };
}

function sideOf(recipe: TensorRecipe, axes: readonly { readonly axis: Axis; readonly role: Role }[], maps: AxisMaps, from: Dims, to: Dims): Side {
  const mapped = axes.map(({ axis, role }) => ({ axis, role, map: maps[axis] ?? keep(from[axis]!) }));
  const size = (list: typeof mapped, end: 'from' | 'to'): number => list.reduce((product, { map }) => product * map[end], 1);
  let source = new Int32Array(1), copy = new Int32Array(1), fill = new Uint8Array(1), copies = 1, scale: Float64Array | null = null;
  for (const { axis, map } of mapped) {
    const old = sources(map), number = copiesOf(map), rank = fillOrder.indexOf(recipe.fills[axis] ?? null), count = source.length * map.to;
    const factor = partFactors(recipe, axis, to[axis]!);
    const [s, c, f] = [new Int32Array(count), new Int32Array(count), new Uint8Array(count)];
    const k: Float64Array | null = scale || factor ? new Float64Array(count) : null;
    for (let o = 0, at = 0; o < source.length; o++) {
      for (let i = 0; i < map.to; i++, at++) {
        const has = source[o]! >= 0 && old[i]! >= 0;
        s[at] = has ? source[o]! * map.from + old[i]! : -1;
        c[at] = has ? copy[o]! * map.copies + number[i]! : -1;
        f[at] = Math.max(fill[o]!, old[i]! < 0 ? rank : 0);
        if (k) k[at] = (scale ? scale[o]! : 1) * (factor ? factor[i]! : 1);
      }
    }
    [source, copy, fill, scale] = [s, c, f, k];
    copies *= map.copies;
  }
  const strided = mapped.map((a, i) => ({ ...a, stride: size(mapped.slice(i + 1), 'to'), sourceStride: size(mapped.slice(i + 1), 'from') }));
  return { axes: strided, role: axes[0]!.role, from: size(mapped, 'from'), to: size(mapped, 'to'), source, copy, copies, fill, scale, runs: runsOf(source, copy, scale) };
}

function partFactors(recipe: TensorRecipe, axis: Axis, size: number): Float64Array | null {
  const parts = recipe.factors.filter((f) => f.part?.axis === axis);
  if (parts.length === 0) return null;
  const out = new Float64Array(size).fill(1);
  for (const { by, part } of parts) out[part!.entry]! *= by;
  return out;
}

function runsOf(source: Int32Array, copy: Int32Array, scale: Float64Array | null): readonly Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < source.length;) {
    if (source[at]! < 0) { at++; continue; }
    let end = at + 1;
    while (end < source.length && source[end] === source[end - 1]! + 1 && copy[end] === copy[at] && scale?.[end] === scale?.[at]) end++;
    runs.push({ at, from: source[at]!, length: end - at, copy: copy[at]! });
    at = end;
  }
  return runs;
}

/** The one row of a vector. */
const unit: Side = {
  axes: [], role: 'row', from: 1, to: 1, source: new Int32Array(1), copy: new Int32Array(1), copies: 1, fill: new Uint8Array(1), scale: null,
  runs: [{ at: 0, from: 0, length: 1, copy: 0 }],
};
