/** @file Divides a grown weight into rectangles: old parts, copies, and new parts by their fill. */
import { isIdentity, type AxisMap } from '../../../src-main/tensor/axis-map.ts';
import {
  parseLayout,
  storedShapeOf,
  type Axis,
  type Dims,
  type Layout,
  type LayoutAxis,
} from '../../../src-main/tensor/layout.ts';
import type { Fill, TensorRecipe } from '../../../src-main/growth/recipe.ts';

export type RegionKind = 'old' | 'copy' | Fill;
/** The order of the legend. */
export const regionOrder: readonly RegionKind[] = ['old', 'copy', 'zero', 'draw', 'mean', 'between', 'one'];
/** A rectangle of the weight. Coordinates are shares of its sides from the top left. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly kind: RegionKind;
}
/** A stored dimension of the weight, with the axes that share it. */
export interface Side {
  readonly axes: readonly { readonly axis: Axis; readonly from: number; readonly to: number }[];
  readonly from: number;
  readonly to: number;
}
/** `rows` is absent for a vector. */
export interface Block {
  readonly rows?: Side;
  readonly columns: Side;
  readonly regions: readonly Region[];
}

/** A part of a side that is one old part, one copy, or new. */
interface Segment {
  /** Share of the side. */
  readonly length: number;
  /** Number of the copy among the copies of the input axes, and of the output axes; 0 is the old part. */
  readonly inCopy: number;
  readonly outCopy: number;
  /** The axes along which the segment is new. */
  readonly newAxes: readonly Axis[];
}
const wholeSide: Segment = { length: 1, inCopy: 0, outCopy: 0, newAxes: [] };

/** Most segments of a side; more could not be told apart. */
const maxSegments = 48;
/** Most entries of an unchanged outer axis that are drawn one by one. */
const maxEntries = 6;

type Maps = Readonly<Partial<Record<Axis, AxisMap>>>;
export type DrawnRecipe = Pick<TensorRecipe, 'layout' | 'fills' | 'spread' | 'zeroOutput'>;

/** The block of a weight. `from` and `to` are the sizes of the model before and after, `maps` those of the plan. */
export function buildBlock(recipe: DrawnRecipe, maps: Maps, from: Dims, to: Dims): Block {
  const layout = parseLayout(recipe.layout);
  const axesOfSides = sidesOf(layout);
  const segments = axesOfSides.map((axes, i) =>
    limitSegments(
      i === 0 && layout.stack ? stackedSegments(layout.stack.entries, maps, to) : segmentsOf(axes, maps, to),
    ),
  );
  const isMatrix = axesOfSides.length === 2;
  const rowSegments = isMatrix ? segments[0]! : [wholeSide];
  const diagonal = diagonalCopies(recipe, layout, maps);
  const regions = regionsOf(rowSegments, segments.at(-1)!, (row, column) =>
    kindOf(recipe, row, column, diagonal),
  );

  const shapeBefore = storedShapeOf(layout, from);
  const shapeAfter = storedShapeOf(layout, to);
  const toSide = (axes: readonly LayoutAxis[], dimension: number): Side => ({
    axes: axes.map(({ axis }) => ({ axis, from: from[axis]!, to: to[axis]! })),
    from: shapeBefore.at(dimension)!,
    to: shapeAfter.at(dimension)!,
  });
  return {
    ...(isMatrix ? { rows: toSide(axesOfSides[0]!, 0) } : {}),
    columns: toSide(axesOfSides.at(-1)!, -1),
    regions,
  };
}

function regionsOf(
  rows: readonly Segment[],
  columns: readonly Segment[],
  kindAt: (row: Segment, column: Segment) => RegionKind,
): readonly Region[] {
  const regions: Region[] = [];
  let y = 0;
  for (const row of rows) {
    let x = 0;
    for (const column of columns) {
      regions.push({ x, y, width: column.length, height: row.length, kind: kindAt(row, column) });
      x += column.length;
    }
    y += row.length;
  }
  return regions;
}

/** Copies of the inputs if every copy of an output reads only its own copy; 0 otherwise. */
function diagonalCopies(recipe: DrawnRecipe, layout: Layout, maps: Maps): number {
  const copiesOf = (role: 'in' | 'out'): number =>
    layout.axes
      .filter((axis) => axis.role === role)
      .reduce((product, { axis }) => product * (maps[axis]?.copies ?? 1), 1);
  const isDiagonal = recipe.spread === 'diagonal' && copiesOf('in') > 1 && copiesOf('out') > 1;
  return isDiagonal ? copiesOf('in') : 0;
}

/** The axes of each stored dimension. Parts of different shapes that share the first dimension list all their axes. */
function sidesOf(layout: Layout): readonly (readonly LayoutAxis[])[] {
  if (layout.stack) {
    const last = layout.stack.entries[0]!.axes.at(-1)!;
    return [layout.axes.filter(({ axis }) => axis !== last.axis), [last]];
  }
  let start = 0;
  return layout.dimensions.map((count) => {
    const axes = layout.axes.slice(start, start + count);
    start += count;
    return axes;
  });
}

/** The rows of parts of different shapes, one part after the other. */
function stackedSegments(entries: readonly Layout[], maps: Maps, to: Dims): readonly Segment[] {
  const rows = entries.map((entry) => storedShapeOf(entry, to)[0]!);
  const total = rows.reduce((a, b) => a + b, 0);
  return entries.flatMap((entry, i) =>
    segmentsOf(sidesOf(entry)[0]!, maps, to).map((segment) => ({
      ...segment,
      length: (segment.length * rows[i]!) / total,
    })),
  );
}

function kindOf(recipe: DrawnRecipe, row: Segment, column: Segment, diagonal: number): RegionKind {
  if (recipe.zeroOutput) return 'zero';
  const fills = [...row.newAxes, ...column.newAxes].map((axis) => recipe.fills[axis] ?? 'zero');
  if (fills.length > 0) return fills.includes('zero') ? 'zero' : fills[0]!;
  const inCopy = row.inCopy + column.inCopy;
  const outCopy = row.outCopy + column.outCopy;
  if (diagonal && outCopy % diagonal !== inCopy) return 'zero';
  return inCopy + outCopy === 0 ? 'old' : 'copy';
}

/**
 * The segments of axes that share a side, outermost first. An axis that grows inside another one repeats its
 * segments within each entry of the outer axis.
 */
function segmentsOf(axes: readonly LayoutAxis[], maps: Maps, to: Dims): readonly Segment[] {
  const [first, ...rest] = axes;
  if (!first) return [wholeSide];
  const inner = mergeSegments(segmentsOf(rest, maps, to));
  const outer = segmentsOfAxis(first, maps[first.axis]);
  const inCopies = copiesAlong(rest, maps, 'in');
  const outCopies = copiesAlong(rest, maps, 'out');
  const entriesOf = (segment: Segment): number => {
    if (inner.length === 1) return 1;
    const entries = Math.round(segment.length * to[first.axis]!);
    return Math.max(1, Math.min(entries, Math.ceil(maxEntries / outer.length)));
  };
  const nested = outer.flatMap((segment) => {
    const entries = entriesOf(segment);
    const innerSegments = inner.map((part): Segment => ({
      length: (segment.length / entries) * part.length,
      inCopy: segment.inCopy * inCopies + part.inCopy,
      outCopy: segment.outCopy * outCopies + part.outCopy,
      newAxes: [...segment.newAxes, ...part.newAxes],
    }));
    return Array.from({ length: entries }, () => innerSegments).flat();
  });
  return mergeSegments(nested);
}

/** Indexed axes count as output axes. */
const copiesAlong = (axes: readonly LayoutAxis[], maps: Maps, role: 'in' | 'out'): number =>
  axes
    .filter((axis) => (axis.role === 'in') === (role === 'in'))
    .reduce((product, { axis }) => product * (maps[axis]?.copies ?? 1), 1);

const segmentCache = {
  in: new WeakMap<AxisMap, readonly Segment[]>(),
  out: new WeakMap<AxisMap, readonly Segment[]>(),
};

/** The segments of one axis. Cached: many weights share an axis, and a map can have thousands of pieces. */
function segmentsOfAxis({ axis, role }: LayoutAxis, map: AxisMap | undefined): readonly Segment[] {
  if (!map || isIdentity(map)) return [wholeSide];
  const cache = segmentCache[role === 'in' ? 'in' : 'out'];
  const segments = cache.get(map) ?? segmentsOfMap(axis, role, map);
  cache.set(map, segments);
  return segments;
}

function segmentsOfMap(axis: Axis, role: LayoutAxis['role'], map: AxisMap): readonly Segment[] {
  const segments: Segment[] = [];
  let end = 0;
  const addGap = (until: number): void => {
    if (until <= end) return;
    segments.push({ length: (until - end) / map.to, inCopy: 0, outCopy: 0, newAxes: [axis] });
  };
  for (const piece of map.pieces) {
    addGap(piece.at);
    segments.push({
      length: piece.length / map.to,
      inCopy: role === 'in' ? piece.copy : 0,
      outCopy: role === 'in' ? 0 : piece.copy,
      newAxes: [],
    });
    end = piece.at + piece.length;
  }
  addGap(map.to);
  return mergeSegments(segments);
}

const isSameKind = (a: Segment, b: Segment): boolean =>
  a.inCopy === b.inCopy && a.outCopy === b.outCopy && a.newAxes.join() === b.newAxes.join();

/** Merges neighbours of the same kind. */
function mergeSegments(segments: readonly Segment[]): readonly Segment[] {
  const out: Segment[] = [];
  for (const segment of segments) {
    const last = out.at(-1);
    if (last && isSameKind(last, segment))
      out[out.length - 1] = { ...last, length: last.length + segment.length };
    else out.push(segment);
  }
  return out;
}

/** At most `maxSegments` segments: equal parts, each with the kind of its middle. */
function limitSegments(segments: readonly Segment[]): readonly Segment[] {
  if (segments.length <= maxSegments) return segments;
  let index = 0;
  let end = segments[0]!.length;
  const parts = Array.from({ length: maxSegments }, (_, i) => {
    while (end < (i + 0.5) / maxSegments && index < segments.length - 1) {
      index++;
      end += segments[index]!.length;
    }
    return { ...segments[index]!, length: 1 / maxSegments };
  });
  return mergeSegments(parts);
}
