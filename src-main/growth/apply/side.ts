/**
 * @file One side (the rows or the columns) of a grown weight, with all its axes combined: the source, the copy
 * number, the fill and the factor of each entry.
 */
import { keep, listCopies, listSources, type AxisMap } from '../../tensor/axis-map.ts';
import type { Axis, Dims, LayoutAxis, Role } from '../../tensor/layout.ts';
import type { AxisMaps, Fill, TensorRecipe } from '../recipe.ts';

/** Grown entries from `at` on are source entries from `from` on, all with one copy number and one factor. */
export interface Run {
  readonly at: number;
  readonly from: number;
  readonly length: number;
  readonly copy: number;
}

export interface SideAxis extends LayoutAxis {
  readonly map: AxisMap;
}

/** The entries of a side. */
export interface SideEntries {
  /** Source entry of each entry, or -1. */
  readonly source: Int32Array;
  /** Copy number of each entry over all axes together (mixed radix), or -1. */
  readonly copy: Int32Array;
  /** Noise block of each entry. Source entries of the fused, head and group axes are separate blocks. */
  readonly block: Int32Array;
  /** Rank of each entry's fill in `fillOrder`; 0 if it has a source. */
  readonly fill: Uint8Array;
  /** Factor of each entry; null if there are none. */
  readonly scale: Float64Array | null;
}

export interface Side extends SideEntries {
  /** Empty if the side stacks entries of unequal shape. */
  readonly axes: readonly SideAxis[];
  readonly role: Role;
  readonly from: number;
  readonly to: number;
  readonly copies: number;
  readonly runs: readonly Run[];
}

/** Fills by increasing precedence. Rank 0 is an entry with a source. */
export const fillOrder: readonly (Fill | null)[] = [null, 'mean', 'between', 'draw', 'one', 'zero'];

/** Axes whose entries have separate noise levels, so that a head with small weights gets little noise. */
const blockAxes: readonly Axis[] = ['qkv', 'gate_up', 'heads', 'kv_heads', 'group'];

/** Combines `axes`, outermost first, to one side. */
export function resolveSide(
  recipe: TensorRecipe,
  axes: readonly LayoutAxis[],
  maps: AxisMaps,
  from: Dims,
  to: Dims,
): Side {
  const sideAxes = axes.map(({ axis, role }) => ({ axis, role, map: maps[axis] ?? keep(from[axis]!) }));
  let entries: SideEntries = {
    source: new Int32Array(1),
    copy: new Int32Array(1),
    block: new Int32Array(1),
    fill: new Uint8Array(1),
    scale: null,
  };
  for (const { axis, map } of sideAxes) {
    const source = listSources(map);
    entries = addAxis(entries, {
      map,
      source,
      copy: listCopies(map),
      factors: computeEntryFactors(recipe, axis, map, source, to[axis]!),
      hasBlocks: blockAxes.includes(axis),
      fillRank: createFillRank(recipe, sideAxes, axis),
    });
  }
  const multiply = (valueOf: (map: AxisMap) => number): number =>
    sideAxes.reduce((product, { map }) => product * valueOf(map), 1);
  return {
    ...entries,
    axes: sideAxes,
    role: axes[0]!.role,
    from: multiply((map) => map.from),
    to: multiply((map) => map.to),
    copies: multiply((map) => map.copies),
    runs: findRuns(entries),
  };
}

interface AxisEntries {
  readonly map: AxisMap;
  readonly source: Int32Array;
  readonly copy: Int32Array;
  readonly factors: Float64Array | null;
  readonly hasBlocks: boolean;
  /** Fill rank of a new entry, by the entry of the outer axes that it belongs to. */
  readonly fillRank: (outer: number) => number;
}

/** Splits each entry of the outer axes into the entries of an inner axis. */
function addAxis(outer: SideEntries, axis: AxisEntries): SideEntries {
  const { map, factors, hasBlocks, fillRank } = axis;
  const count = outer.source.length * map.to;
  const source = new Int32Array(count);
  const copy = new Int32Array(count);
  const block = new Int32Array(count);
  const fill = new Uint8Array(count);
  const scale = outer.scale || factors ? new Float64Array(count) : null;
  for (let o = 0, at = 0; o < outer.source.length; o++)
    for (let i = 0; i < map.to; i++, at++) {
      const from = axis.source[i]!;
      const hasSource = outer.source[o]! >= 0 && from >= 0;
      source[at] = hasSource ? outer.source[o]! * map.from + from : -1;
      copy[at] = hasSource ? outer.copy[o]! * map.copies + axis.copy[i]! : -1;
      block[at] = hasBlocks ? outer.block[o]! * map.from + Math.max(from, 0) : outer.block[o]!;
      fill[at] = Math.max(outer.fill[o]!, from < 0 ? fillRank(o) : 0);
      if (scale) scale[at] = (outer.scale ? outer.scale[o]! : 1) * (factors ? factors[i]! : 1);
    }
  return { source, copy, block, fill, scale };
}

/** Factors of the entries of one axis; null if all are 1. */
function computeEntryFactors(
  recipe: TensorRecipe,
  axis: Axis,
  map: AxisMap,
  source: Int32Array,
  size: number,
): Float64Array | null {
  const own = recipe.factors.filter((f) => f.part?.axis === axis || f.shared === axis);
  if (own.length === 0) return null;
  const out = new Float64Array(size).fill(1);
  for (const { by, part } of own) {
    if (part) {
      out[part.entry]! *= by;
      continue;
    }
    source.forEach((from, i) => {
      if (from >= 0) out[i]! /= map.counts![from]!;
    });
  }
  return out;
}

/** The fill rank of new entries of `axis`, by the entry of the axes before it. */
function createFillRank(
  { fills, partFills = [] }: TensorRecipe,
  sideAxes: readonly SideAxis[],
  axis: Axis,
): (outer: number) => number {
  const common = fills[axis] ?? null;
  const own = partFills.filter((f) => f.axis === axis);
  if (own.length === 0) {
    const rank = fillOrder.indexOf(common);
    return () => rank;
  }
  const partAxis = sideAxes.findIndex((a) => a.axis === own[0]!.part.axis);
  const axisIndex = sideAxes.findIndex((a) => a.axis === axis);
  const between = sideAxes.slice(partAxis + 1, axisIndex);
  const stride = between.reduce((product, { map }) => product * map.to, 1);
  const size = sideAxes[partAxis]!.map.to;
  const ranks = Array.from({ length: size }, (_, entry) => {
    const partFill = own.find((f) => f.part.entry === entry)?.fill;
    return fillOrder.indexOf(partFill ?? common);
  });
  return (outer) => ranks[Math.floor(outer / stride) % size]!;
}

/** The longest runs of entries with consecutive sources. */
export function findRuns({ source, copy, scale }: SideEntries): readonly Run[] {
  const runs: Run[] = [];
  let at = 0;
  while (at < source.length) {
    if (source[at]! < 0) {
      at++;
      continue;
    }
    let end = at + 1;
    while (
      end < source.length &&
      source[end] === source[end - 1]! + 1 &&
      copy[end] === copy[at] &&
      scale?.[end] === scale?.[at]
    )
      end++;
    runs.push({ at, from: source[at]!, length: end - at, copy: copy[at]! });
    at = end;
  }
  return runs;
}
