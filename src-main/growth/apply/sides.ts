/** @file A grown weight as a matrix: its rows and its columns. All code that applies a recipe works on these. */
import { sliceAxis } from '../../tensor/axis-map.ts';
import { parseLayout, type Axis, type Dims, type Layout } from '../../tensor/layout.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { findRuns, resolveSide, type Side, type SideEntries } from './side.ts';

/** A weight as a matrix. A vector is one row. */
export interface Sides {
  readonly rows: Side;
  readonly columns: Side;
  /** The product of the factors of all entries. */
  readonly scale: number;
}

/** The rows and columns of the weight that a recipe makes. */
export function resolveSides(recipe: TensorRecipe, maps: AxisMaps, from: Dims, to: Dims): Sides {
  const layout = parseLayout(recipe.layout);
  const context: SideContext = { recipe, maps: withSlice(recipe, maps, from), from, to };
  const sides = layout.stack ? stackSides(context, layout.stack) : resolveDimensions(context, layout);
  const scale = recipe.factors.reduce((product, f) => (f.part || f.shared ? product : product * f.by), 1);
  return sides.length === 1
    ? { rows: singleRow, columns: sides[0]!, scale }
    : { rows: sides[0]!, columns: sides[1]!, scale };
}

interface SideContext {
  readonly recipe: TensorRecipe;
  readonly maps: AxisMaps;
  readonly from: Dims;
  readonly to: Dims;
}

/** Replaces the map of a sliced axis by the slice that the weight takes. */
const withSlice = ({ slice }: TensorRecipe, maps: AxisMaps, from: Dims): AxisMaps =>
  slice ? { ...maps, [slice.axis]: sliceAxis(from[slice.axis]!, slice.at, slice.of) } : maps;

/** One side for each stored dimension. */
function resolveDimensions({ recipe, maps, from, to }: SideContext, layout: Layout): readonly Side[] {
  let next = 0;
  return layout.dimensions.map((count) => {
    const axes = layout.axes.slice(next, next + count);
    next += count;
    return resolveSide(recipe, axes, maps, from, to);
  });
}

/** The sides of a fused weight with entries of unequal shape: their rows follow one another. */
function stackSides(context: SideContext, { part, entries }: NonNullable<Layout['stack']>): readonly Side[] {
  const { recipe } = context;
  const sides = entries.map((entry, i) =>
    resolveDimensions({ ...context, recipe: withPartFills(recipe, part, i) }, entry),
  );
  const rows = sides.map((entrySides) => entrySides[0]!);
  const partFactors = computePartFactors(recipe, part, entries.length);
  const stacked = concatEntries(rows, partFactors);
  const sum = (valueOf: (side: Side) => number): number =>
    rows.reduce((total, side) => total + valueOf(side), 0);
  const side: Side = {
    ...stacked,
    axes: [],
    role: rows[0]!.role,
    from: sum((r) => r.from),
    to: sum((r) => r.to),
    copies: Math.max(...rows.map((r) => r.copies)),
    runs: findRuns(stacked),
  };
  return [side, ...sides[0]!.slice(1)];
}

/** The recipe of one entry of the fused axis `axis`. */
function withPartFills({ partFills = [], ...recipe }: TensorRecipe, axis: Axis, entry: number): TensorRecipe {
  const own = partFills.filter(({ part }) => part.axis === axis && part.entry === entry);
  const fills = Object.fromEntries(own.map((f) => [f.axis, f.fill]));
  return { ...recipe, fills: { ...recipe.fills, ...fills } };
}

/** Factors of the entries of the fused axis `axis`; null if there are none. */
function computePartFactors({ factors }: TensorRecipe, axis: Axis, size: number): Float64Array | null {
  const own = factors.filter((f) => f.part?.axis === axis);
  if (own.length === 0) return null;
  return Float64Array.from({ length: size }, (_, entry) =>
    own.reduce((product, { by, part }) => (part!.entry === entry ? product * by : product), 1),
  );
}

/** The entries of several sides one after the other, multiplied by one factor each. */
function concatEntries(sides: readonly Side[], sideFactors: Float64Array | null): SideEntries {
  const count = sides.reduce((total, side) => total + side.to, 0);
  const source = new Int32Array(count);
  const copy = new Int32Array(count);
  const block = new Int32Array(count);
  const fill = new Uint8Array(count);
  const hasScale = sideFactors !== null || sides.some((side) => side.scale);
  const scale = hasScale ? new Float64Array(count) : null;
  let at = 0;
  let firstSource = 0;
  let firstBlock = 0;
  for (const [i, side] of sides.entries()) {
    const factor = sideFactors?.[i] ?? 1;
    for (let j = 0; j < side.to; j++) {
      const from = side.source[j]!;
      source[at + j] = from < 0 ? -1 : from + firstSource;
      block[at + j] = side.block[j]! + firstBlock;
      if (scale) scale[at + j] = (side.scale?.[j] ?? 1) * factor;
    }
    copy.set(side.copy, at);
    fill.set(side.fill, at);
    at += side.to;
    firstSource += side.from;
    firstBlock += side.block.reduce((most, b) => Math.max(most, b), 0) + 1;
  }
  return { source, copy, block, fill, scale };
}

/** The only row of a vector. */
const singleRow: Side = {
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
