/**
 * @file Named axes of a stored tensor, in stored order, with their roles; the one place where axis names
 * become positions and shapes.
 */
import { refuse } from '../base/errors.ts';

/** Every axis of the app, with what it is. `layers` is an axis too, but lives in tensor names. */
// prettier-ignore
export const axes = {
  vocab:     'rows of the token table',
  positions: 'rows of the position table',
  places:    'rows of the position table where it has more rows than positions',
  hidden:    'the residual stream',
  embed:     'width of the token table where it differs from the stream',
  ffn:       'inner units of the MLP',
  heads:     'attention heads that share nothing',
  kv_heads:  'key and value heads',
  group:     'query heads per key and value head',
  head_dim:  'width of one head',
  qkv:       'the fused triple query, key, value',
  gate_up:   'the fused pair gate, up',
  experts:   'experts of a mixture, as rows of its router',
  shared:    'the one gate of the expert that every token passes',
  shared_ffn: 'inner units of the expert that every token passes',
} as const;
export type Axis = keyof typeof axes;

/** The size of each axis (and of `layers`) of one model. */
export type Dims = Readonly<Record<string, number>>;

/** `out` is written, `in` is summed over, `row` is picked. */
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
   * Where the first dimension holds entries of unequal form one after the other: the layout of each, under
   * the name of their part axis. `axes` then lists each axis once, and is no order.
   */
  readonly stack?: { readonly part: Axis; readonly entries: readonly Layout[] };
}

const parsed = new Map<string, Layout>();

/**
 * Reads `out <- in`, `in -> out`, `row : out` or `out`; parentheses hold axes that share one stored
 * dimension, and `qkv(a b | a | a) <- in` entries of unequal form
 * that stand one after the other. An unknown word is a mistake in a table and throws.
 */
export function layoutOf(text: string): Layout {
  const known = parsed.get(text);
  if (known) return known;
  const layout = text.includes('|') ? stackOf(text) : plainOf(text);
  parsed.set(text, layout);
  return layout;
}

function stackOf(text: string): Layout {
  const [, part, inside, rest] = /^(\w+)\(([^()]*)\)(.*)$/.exec(text) ?? [];
  if (inside === undefined || !(part! in axes))
    throw new SyntaxError(`layout "${text}" does not begin with a part axis and its entries`);
  const entries = inside.split('|').map((entry) => layoutOf(`(${entry.trim()})${rest!}`));
  const all: LayoutAxis[] = [{ axis: part as Axis, role: entries[0]!.axes[0]!.role }];
  for (const a of entries.flatMap((entry) => entry.axes))
    if (!all.some((b) => b.axis === a.axis)) all.push(a);
  return { text, axes: all, dimensions: [], stack: { part: part as Axis, entries } };
}

function plainOf(text: string): Layout {
  const sides = text.split(/\s*(<-|->|:)\s*/);
  const roles: readonly Role[] =
    sides.length === 1
      ? ['out']
      : sides[1] === '<-'
        ? ['out', 'in']
        : sides[1] === '->'
          ? ['in', 'out']
          : ['row', 'out'];
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

/** One size per axis of a plain `layout`. */
export const viewOf = (layout: Layout, dims: Dims): readonly number[] =>
  layout.axes.map(
    ({ axis }) => dims[axis] ?? refuse('growth/unknown-axis', { axis, known: Object.keys(dims) }),
  );

/** One size per stored dimension: the shape in the file. */
export function shapeOf(layout: Layout, dims: Dims): readonly number[] {
  if (layout.stack) {
    const shapes = layout.stack.entries.map((entry) => shapeOf(entry, dims));
    return [shapes.reduce((n, [rows]) => n + rows!, 0), ...shapes[0]!.slice(1)];
  }
  const view = viewOf(layout, dims);
  let at = 0;
  return layout.dimensions.map((n) => view.slice(at, (at += n)).reduce((a, b) => a * b, 1));
}

export const hasAxis = (layout: Layout, axis: Axis, role?: Role): boolean =>
  layout.axes.some((a) => a.axis === axis && (role === undefined || a.role === role));

export const countOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
