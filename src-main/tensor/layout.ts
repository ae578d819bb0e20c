/** @file Layouts: the named axes of a stored tensor in stored order, from which shapes are computed. */
import { refuse } from '../base/errors.ts';

/** Every axis of a tensor. `layers` has a size too, but it is part of tensor names instead. */
// Aligned columns are easier to compare.
// prettier-ignore
export const axes = {
  vocab:      'rows of the token embedding',
  positions:  'rows of the position embedding',
  places:     'rows of the position embedding where it has more rows than positions',
  hidden:     'width of the residual stream',
  embed:      'width of the token embedding where it differs from the residual stream',
  ffn:        'intermediate units of the MLP',
  heads:      'attention heads without grouped queries',
  kv_heads:   'key and value heads',
  group:      'query heads per key and value head',
  head_dim:   'width of a head',
  qkv:        'query, key and value, fused',
  gate_up:    'gate and up projection, fused',
  experts:    'experts of a mixture, as rows of its router',
  shared:     'the single gate of the shared expert',
  shared_ffn: 'intermediate units of the shared expert',
} as const;
export type Axis = keyof typeof axes;

/** The sizes of the axes (and of `layers`) of one model. */
export type Dims = Readonly<Record<string, number>>;

/** `out` axes are in the output, `in` axes are summed over, `row` axes are indexed. */
export type Role = 'out' | 'in' | 'row';
export interface LayoutAxis {
  readonly axis: Axis;
  readonly role: Role;
}

export interface Layout {
  readonly text: string;
  /** All axes, outermost first, in stored order. */
  readonly axes: readonly LayoutAxis[];
  /** For each stored dimension, how many consecutive `axes` share it. */
  readonly dimensions: readonly number[];
  /**
   * Set if the first dimension concatenates parts of different shapes, such as query, key and value: the axis that
   * names the parts, and the layout of each. `axes` then lists every axis once, without order.
   */
  readonly stack?: { readonly part: Axis; readonly entries: readonly Layout[] };
}

const cache = new Map<string, Layout>();

/**
 * Parses `out <- in`, `in -> out`, `row : out` or `out`. Axes in parentheses share one stored dimension;
 * `qkv(a b | a | a) <- in` concatenates parts of different shapes. Throws a SyntaxError for an unknown axis.
 */
export function parseLayout(text: string): Layout {
  const known = cache.get(text);
  if (known) return known;
  const layout = text.includes('|') ? parseStack(text) : parsePlain(text);
  cache.set(text, layout);
  return layout;
}

function parseStack(text: string): Layout {
  const [, part, inside, rest] = /^(\w+)\(([^()]*)\)(.*)$/.exec(text) ?? [];
  if (inside === undefined || !(part! in axes))
    throw new SyntaxError(`layout "${text}" does not start with an axis and its parts`);
  const entries = inside.split('|').map((entry) => parseLayout(`(${entry.trim()})${rest!}`));
  const all: LayoutAxis[] = [{ axis: part as Axis, role: entries[0]!.axes[0]!.role }];
  for (const a of entries.flatMap((entry) => entry.axes))
    if (!all.some((b) => b.axis === a.axis)) all.push(a);
  return { text, axes: all, dimensions: [], stack: { part: part as Axis, entries } };
}

/** The roles of both sides of an arrow. */
const rolesOf: Readonly<Record<string, readonly Role[]>> = {
  '': ['out'],
  '<-': ['out', 'in'],
  '->': ['in', 'out'],
  ':': ['row', 'out'],
};

function parsePlain(text: string): Layout {
  const sides = text.split(/\s*(<-|->|:)\s*/);
  const roles = rolesOf[sides[1] ?? ''] ?? [];
  if (sides.length > 3) throw new SyntaxError(`layout "${text}" has more than one arrow`);
  const all: LayoutAxis[] = [];
  const dimensions: number[] = [];
  [sides[0]!, sides[2]].forEach((side, i) => {
    if (side === undefined) return;
    for (const token of side.match(/\([^()]*\)|[a-z_]+|\S/g) ?? []) {
      const names = token.startsWith('(') ? token.slice(1, -1).trim().split(/\s+/) : [token];
      for (const name of names) {
        if (!(name in axes)) throw new SyntaxError(`layout "${text}" has the unknown axis "${name}"`);
        if (all.some((a) => a.axis === name)) throw new SyntaxError(`layout "${text}" has ${name} twice`);
        all.push({ axis: name as Axis, role: roles[i]! });
      }
      dimensions.push(names.length);
    }
  });
  if (all.length === 0) throw new SyntaxError('an empty layout');
  return { text, axes: all, dimensions };
}

/** The size of each axis of a layout without parts. Throws `growth/unknown-axis` if `dims` lacks one. */
export const viewShapeOf = (layout: Layout, dims: Dims): readonly number[] =>
  layout.axes.map(
    ({ axis }) => dims[axis] ?? refuse('growth/unknown-axis', { axis, known: Object.keys(dims) }),
  );

/** The size of each stored dimension: the shape in the file. */
export function storedShapeOf(layout: Layout, dims: Dims): readonly number[] {
  if (layout.stack) {
    const shapes = layout.stack.entries.map((entry) => storedShapeOf(entry, dims));
    return [shapes.reduce((n, [rows]) => n + rows!, 0), ...shapes[0]!.slice(1)];
  }
  const view = viewShapeOf(layout, dims);
  let start = 0;
  return layout.dimensions.map((count) => {
    const size = countElements(view.slice(start, start + count));
    start += count;
    return size;
  });
}

export const hasAxis = (layout: Layout, axis: Axis, role?: Role): boolean =>
  layout.axes.some((a) => a.axis === axis && (role === undefined || a.role === role));

/** The number of elements of a shape. */
export const countElements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
