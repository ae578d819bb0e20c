/**
 * @file One stored dimension of a grown weight, its named axes composed: where each entry comes from, which
 * copy it is, how it is filled. Everything that executes a recipe reads these.
 */
import { copiesOf, keep, part, sources, type AxisMap } from '../../tensor/axis-map.ts';
import { layoutOf, type Axis, type Dims, type Layout, type Role } from '../../tensor/layout.ts';
import type { AxisMaps, Fill, TensorRecipe } from '../recipe.ts';

/** Entries `at`... of the grown side are `from`... of the source, all of one copy and one scale. */
export interface Run {
  readonly at: number;
  readonly from: number;
  readonly length: number;
  readonly copy: number;
}

export interface SideAxis {
  readonly axis: Axis;
  readonly role: Role;
  readonly map: AxisMap;
  /** Grown and source entries that one step of this axis spans. */ readonly stride: number;
  readonly sourceStride: number;
}

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
  /**
   * For each entry the number of its noise block, by its source: entries of the fused, head and group axes
   * are blocks of their own.
   */
  readonly block: Int32Array;
  /** For each entry 0, or how it is filled: the rank of its fill in `fillOrder`. */
  readonly fill: Uint8Array;
  /** Factors that hold for some entries only; null where there are none. */
  readonly scale: Float64Array | null;
  readonly runs: readonly Run[];
}

/** Fills by rising precedence; rank 0 is an entry that has a source. */
export const fillOrder: readonly (Fill | null)[] = [null, 'mean', 'draw', 'one', 'zero'];

/**
 * Axes whose every entry has a noise level of its own, where they are written: a weak head gets weak noise.
 */
const blocked: readonly Axis[] = ['qkv', 'gate_up', 'heads', 'kv_heads', 'group'];

/** The weight as a matrix of rows × columns; a vector is one row. */
export interface Sides {
  readonly rows: Side;
  readonly columns: Side;
  readonly scale: number;
}

/** The maps of a plan as they hold for one weight: of a sliced axis it has a part alone. */
export const mapsForWeight = (
  { slice }: Pick<TensorRecipe, 'slice'>,
  maps: AxisMaps,
  from: Dims,
): AxisMaps => (slice ? { ...maps, [slice.axis]: part(from[slice.axis]!, slice.at, slice.of) } : maps);

/** Both sides of a recipe, and the product of the factors that hold everywhere. */
export function resolveSides(recipe: TensorRecipe, all: AxisMaps, from: Dims, to: Dims): Sides {
  const layout = layoutOf(recipe.layout);
  const maps = mapsForWeight(recipe, all, from);
  const sides = layout.stack
    ? stackedSides(recipe, layout.stack, maps, from, to)
    : plainSides(recipe, layout, maps, from, to);
  const scale = recipe.factors.reduce((product, f) => (f.part || f.shared ? product : product * f.by), 1);
  return sides.length === 1
    ? { rows: unit, columns: sides[0]!, scale }
    : { rows: sides[0]!, columns: sides[1]!, scale };
}

const plainSides = (
  recipe: TensorRecipe,
  layout: Layout,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
): readonly Side[] => {
  let next = 0;
  return layout.dimensions.map((count) =>
    sideOf(recipe, layout.axes.slice(next, (next += count)), maps, from, to),
  );
};

/** The rows of all entries one after the other; they share their columns. */
function stackedSides(
  recipe: TensorRecipe,
  { part, entries }: NonNullable<Layout['stack']>,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
): readonly Side[] {
  const each = entries.map((entry, i) => plainSides(filledAs(recipe, part, i), entry, maps, from, to));
  const rows = each.map((sides) => sides[0]!);
  const own = partFactors(recipe, part, entries.length);
  const size = (side: 'from' | 'to'): number => rows.reduce((n, r) => n + r[side], 0);
  const [source, copy, block, fill] = [
    new Int32Array(size('to')),
    new Int32Array(size('to')),
    new Int32Array(size('to')),
    new Uint8Array(size('to')),
  ];
  const scale = own || rows.some((r) => r.scale) ? new Float64Array(size('to')) : null;
  let at = 0;
  let first = 0;
  let blocks = 0;
  rows.forEach((r, i) => {
    source.set(
      r.source.map((s) => (s < 0 ? -1 : s + first)),
      at,
    );
    copy.set(r.copy, at);
    block.set(
      r.block.map((b) => b + blocks),
      at,
    );
    fill.set(r.fill, at);
    scale?.set(
      (r.scale ?? new Float64Array(r.to).fill(1)).map((k) => k * (own?.[i] ?? 1)),
      at,
    );
    [at, first, blocks] = [at + r.to, first + r.from, blocks + Math.max(...r.block) + 1];
  });
  const stacked: Side = {
    ...rows[0]!,
    axes: [],
    from: size('from'),
    to: size('to'),
    source,
    copy,
    copies: Math.max(...rows.map((r) => r.copies)),
    block,
    fill,
    scale,
    runs: runsOf(source, copy, scale),
  };
  return [stacked, ...each[0]!.slice(1)];
}

/** The recipe as it holds within one entry of a part axis. */
const filledAs = ({ partFills = [], ...recipe }: TensorRecipe, axis: Axis, entry: number): TensorRecipe => ({
  ...recipe,
  fills: {
    ...recipe.fills,
    ...Object.fromEntries(
      partFills.filter(({ part }) => part.axis === axis && part.entry === entry).map((f) => [f.axis, f.fill]),
    ),
  },
});

function sideOf(
  recipe: TensorRecipe,
  axes: readonly { readonly axis: Axis; readonly role: Role }[],
  maps: AxisMaps,
  from: Dims,
  to: Dims,
): Side {
  const mapped = axes.map(({ axis, role }) => ({ axis, role, map: maps[axis] ?? keep(from[axis]!) }));
  const size = (list: typeof mapped, end: 'from' | 'to'): number =>
    list.reduce((product, { map }) => product * map[end], 1);
  let source = new Int32Array(1);
  let copy = new Int32Array(1);
  let block = new Int32Array(1);
  let fill = new Uint8Array(1);
  let copies = 1;
  let scale: Float64Array | null = null;
  for (const { axis, map } of mapped) {
    const old = sources(map);
    const number = copiesOf(map);
    const rank = fillOrder.indexOf(recipe.fills[axis] ?? null);
    const count = source.length * map.to;
    const factor = entryFactors(recipe, axis, map, old, to[axis]!);
    const rankAt = partRanks(recipe, mapped, axis, rank);
    const [s, c, b, f] = [
      new Int32Array(count),
      new Int32Array(count),
      new Int32Array(count),
      new Uint8Array(count),
    ];
    const apart = blocked.includes(axis);
    const k: Float64Array | null = scale || factor ? new Float64Array(count) : null;
    for (let o = 0, at = 0; o < source.length; o++) {
      for (let i = 0; i < map.to; i++, at++) {
        const has = source[o]! >= 0 && old[i]! >= 0;
        s[at] = has ? source[o]! * map.from + old[i]! : -1;
        c[at] = has ? copy[o]! * map.copies + number[i]! : -1;
        b[at] = apart ? block[o]! * map.from + Math.max(old[i]!, 0) : block[o]!;
        f[at] = Math.max(fill[o]!, old[i]! < 0 ? rankAt(o) : 0);
        if (k) k[at] = (scale ? scale[o]! : 1) * (factor ? factor[i]! : 1);
      }
    }
    [source, copy, block, fill, scale] = [s, c, b, f, k];
    copies *= map.copies;
  }
  const strided = mapped.map((a, i) => ({
    ...a,
    stride: size(mapped.slice(i + 1), 'to'),
    sourceStride: size(mapped.slice(i + 1), 'from'),
  }));
  return {
    axes: strided,
    role: axes[0]!.role,
    from: size(mapped, 'from'),
    to: size(mapped, 'to'),
    source,
    copy,
    copies,
    block,
    fill,
    scale,
    runs: runsOf(source, copy, scale),
  };
}

/** Factors of the entries of one axis; null where all are one. */
function entryFactors(
  recipe: TensorRecipe,
  axis: Axis,
  map: AxisMap,
  old: Int32Array,
  size: number,
): Float64Array | null {
  const own = recipe.factors.filter((f) => f.part?.axis === axis || f.shared === axis);
  if (own.length === 0) return null;
  const out = new Float64Array(size).fill(1);
  for (const { by, part } of own) {
    if (part) out[part.entry]! *= by;
    else
      old.forEach((from, i) => {
        if (from >= 0) out[i]! /= map.counts![from]!;
      });
  }
  return out;
}

/** Factors of the entries of a part axis; null where there are none. */
function partFactors({ factors }: TensorRecipe, axis: Axis, size: number): Float64Array | null {
  const own = factors.filter((f) => f.part?.axis === axis);
  return own.length === 0
    ? null
    : Float64Array.from({ length: size }, (_, entry) =>
        own.reduce((product, { by, part }) => (part!.entry === entry ? product * by : product), 1),
      );
}

/** The rank of the fill of new entries of `axis` beside entry `outer` of the axes before it. */
function partRanks(
  { partFills = [] }: TensorRecipe,
  mapped: readonly { readonly axis: Axis; readonly map: AxisMap }[],
  axis: Axis,
  rank: number,
): (outer: number) => number {
  const own = partFills.filter((f) => f.axis === axis);
  if (own.length === 0) return () => rank;
  const place = mapped.findIndex((a) => a.axis === own[0]!.part.axis);
  const until = mapped.findIndex((a) => a.axis === axis);
  const stride = mapped.slice(place + 1, until).reduce((product, { map }) => product * map.to, 1);
  const size = mapped[place]!.map.to;
  const ranks = Array.from({ length: size }, (_, entry) =>
    fillOrder.indexOf(own.find((f) => f.part.entry === entry)?.fill ?? fillOrder[rank] ?? null),
  );
  return (outer) => ranks[Math.floor(outer / stride) % size]!;
}

function runsOf(source: Int32Array, copy: Int32Array, scale: Float64Array | null): readonly Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < source.length;) {
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

/** The one row of a vector. */
const unit: Side = {
  axes: [],
  role: 'row',
  from: 1,
  to: 1,
  source: new Int32Array(1),
  copy: new Int32Array(1),
  copies: 1,
  block: new Int32Array(1),
  fill: new Uint8Array(1),
  scale: null,
  runs: [{ at: 0, from: 0, length: 1, copy: 0 }],
};
