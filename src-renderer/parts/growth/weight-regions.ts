/**
 * @file A grown weight as rectangles: which part is old, which a copy, which new and how it is filled. Pure;
 * the diagram draws it.
 */
import { isKept, type AxisMap } from '../../../src-main/tensor/axis-map.ts';
import {
  layoutOf,
  shapeOf,
  type Axis,
  type Dims,
  type Layout,
  type LayoutAxis,
} from '../../../src-main/tensor/layout.ts';
import type { Fill, TensorRecipe } from '../../../src-main/growth/recipe.ts';

export type RegionKind = 'old' | 'copy' | Fill;
/** As they are told in a legend. */
export const regionOrder: readonly RegionKind[] = ['old', 'copy', 'zero', 'draw', 'mean', 'one'];
/** A rectangle of the weight in shares of its sides, top left at 0, 0. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly kind: RegionKind;
}
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

/**
 * A stretch of a side: the copy it belongs to on each axis, or the axis on which it is new. Lengths are in
 * shares.
 */
interface Stretch {
  readonly length: number;
  readonly inCopy: number;
  readonly outCopy: number;
  readonly fresh: readonly Axis[];
}

const most = 48; // stretches along a side: more cannot be told apart
const entriesShown = 6; // entries of an unchanged outer axis that are drawn one by one

type Maps = Readonly<Partial<Record<Axis, AxisMap>>>;
export type Drawn = Pick<TensorRecipe, 'layout' | 'fills' | 'spread' | 'silent'>;

/**
 * The block of `recipe`, where `from` and `to` are all sizes before and after and `maps` those of the plan.
 */
export function blockOf(recipe: Drawn, maps: Maps, from: Dims, to: Dims): Block {
  const layout = layoutOf(recipe.layout);
  const sides = sidesOf(layout);
  const stretches = sides.map((axes, i) =>
    limited(i === 0 && layout.stack ? stacked(layout.stack.entries, maps, to) : stretchesOf(axes, maps, to)),
  );
  const [rows, columns] = sides.length === 2 ? [sides[0]!, sides[1]!] : [undefined, sides[0]!];
  const down = rows ? stretches[0]! : [{ length: 1, inCopy: 0, outCopy: 0, fresh: [] }];
  const copies = (role: 'in' | 'out'): number =>
    layout.axes.reduce((n, a) => n * (a.role === role ? (maps[a.axis]?.copies ?? 1) : 1), 1);
  const diagonal = recipe.spread === 'diagonal' && copies('in') > 1 && copies('out') > 1 ? copies('in') : 0;
  const regions: Region[] = [];
  let y = 0;
  for (const row of down) {
    let x = 0;
    for (const column of stretches.at(-1)!) {
      regions.push({
        x,
        y,
        width: column.length,
        height: row.length,
        kind: kindOf(recipe, row, column, diagonal),
      });
      x += column.length;
    }
    y += row.length;
  }
  const [before, after] = [shapeOf(layout, from), shapeOf(layout, to)];
  const side = (axes: readonly LayoutAxis[], i: number): Side => ({
    axes: axes.map(({ axis }) => ({ axis, from: from[axis]!, to: to[axis]! })),
    from: before.at(i)!,
    to: after.at(i)!,
  });
  return { ...(rows ? { rows: side(rows, 0) } : {}), columns: side(columns, -1), regions };
}

/**
 * The axes of each stored dimension; where entries of unequal form share the first, all that any of them has.
 */
function sidesOf(layout: Layout): readonly (readonly LayoutAxis[])[] {
  if (layout.stack) {
    const last = layout.stack.entries[0]!.axes.at(-1)!;
    return [layout.axes.filter((a) => a.axis !== last.axis), [last]];
  }
  let at = 0;
  return layout.dimensions.map((n) => layout.axes.slice(at, (at += n)));
}

/** The rows of entries of unequal form, one after the other. */
function stacked(entries: readonly Layout[], maps: Maps, to: Dims): readonly Stretch[] {
  const rows = entries.map((entry) => shapeOf(entry, to)[0]!);
  const all = rows.reduce((a, b) => a + b, 0);
  return entries.flatMap((entry, i) =>
    stretchesOf(sidesOf(entry)[0]!, maps, to).map((stretch) => ({
      ...stretch,
      length: (stretch.length * rows[i]!) / all,
    })),
  );
}

function kindOf(recipe: Drawn, row: Stretch, column: Stretch, diagonal: number): RegionKind {
  if (recipe.silent) return 'zero';
  const fresh = [...row.fresh, ...column.fresh].map((axis) => recipe.fills[axis] ?? 'zero');
  if (fresh.length > 0) return fresh.includes('zero') ? 'zero' : fresh[0]!;
  const inCopy = row.inCopy + column.inCopy;
  const outCopy = row.outCopy + column.outCopy;
  if (diagonal && outCopy % diagonal !== inCopy) return 'zero';
  return inCopy + outCopy === 0 ? 'old' : 'copy';
}

/**
 * The stretches of axes that share a side, outermost first; an axis that changes inside another repeats
 * within each of its entries.
 */
function stretchesOf(axes: readonly LayoutAxis[], maps: Maps, to: Dims): readonly Stretch[] {
  const [first, ...rest] = axes;
  if (!first) return [{ length: 1, inCopy: 0, outCopy: 0, fresh: [] }];
  const inner = merged(stretchesOf(rest, maps, to));
  const own = ownStretches(first, maps[first.axis]);
  const inside = inner.length > 1;
  return merged(
    own.flatMap((stretch) => {
      const entries = inside
        ? Math.max(
            1,
            Math.min(Math.round(stretch.length * to[first.axis]!), Math.ceil(entriesShown / own.length)),
          )
        : 1;
      return Array.from({ length: entries }, () =>
        inner.map((i): Stretch => ({
          length: (stretch.length / entries) * i.length,
          inCopy: stretch.inCopy * copiesAlong(rest, maps, 'in') + i.inCopy,
          outCopy: stretch.outCopy * copiesAlong(rest, maps, 'out') + i.outCopy,
          fresh: [...stretch.fresh, ...i.fresh],
        })),
      ).flat();
    }),
  );
}

const copiesAlong = (axes: readonly LayoutAxis[], maps: Maps, role: 'in' | 'out'): number =>
  axes.reduce(
    (n, a) => n * (a.role === role || (role === 'out' && a.role === 'row') ? (maps[a.axis]?.copies ?? 1) : 1),
    1,
  );

const cut = {
  in: new WeakMap<AxisMap, readonly Stretch[]>(),
  out: new WeakMap<AxisMap, readonly Stretch[]>(),
};

/** The stretches of one axis, cut once: many weights have it, and an uneven map has thousands of pieces. */
function ownStretches({ axis, role }: LayoutAxis, map: AxisMap | undefined): readonly Stretch[] {
  if (!map || isKept(map)) return [{ length: 1, inCopy: 0, outCopy: 0, fresh: [] }];
  const known = cut[role === 'in' ? 'in' : 'out'];
  const there = known.get(map) ?? piecesOf(axis, role, map);
  known.set(map, there);
  return there;
}

function piecesOf(axis: Axis, role: LayoutAxis['role'], map: AxisMap): readonly Stretch[] {
  const out: Stretch[] = [];
  let at = 0;
  const gap = (until: number): void => {
    if (until > at) out.push({ length: (until - at) / map.to, inCopy: 0, outCopy: 0, fresh: [axis] });
  };
  for (const piece of map.pieces) {
    gap(piece.at);
    out.push({
      length: piece.length / map.to,
      inCopy: role === 'in' ? piece.copy : 0,
      outCopy: role === 'in' ? 0 : piece.copy,
      fresh: [],
    });
    at = piece.at + piece.length;
  }
  gap(map.to);
  return merged(out);
}

const alike = (a: Stretch, b: Stretch): boolean =>
  a.inCopy === b.inCopy && a.outCopy === b.outCopy && a.fresh.join() === b.fresh.join();

function merged(stretches: readonly Stretch[]): readonly Stretch[] {
  const out: Stretch[] = [];
  for (const stretch of stretches) {
    const last = out.at(-1);
    if (last && alike(last, stretch)) out[out.length - 1] = { ...last, length: last.length + stretch.length };
    else out.push(stretch);
  }
  return out;
}

/** At most `most` stretches: what lies in the middle of each equal part stands for it. */
function limited(stretches: readonly Stretch[]): readonly Stretch[] {
  if (stretches.length <= most) return stretches;
  let index = 0;
  let end = stretches[0]!.length;
  return merged(
    Array.from({ length: most }, (_, i) => {
      while (end < (i + 0.5) / most && index < stretches.length - 1) end += stretches[++index]!.length;
      return { ...stretches[index]!, length: 1 / most };
    }),
  );
}
