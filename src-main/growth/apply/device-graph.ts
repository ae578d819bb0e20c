/**
 * @file A recipe as a graph for a device: rows and columns gathered, scaled, cast. Weights of one form share
 * a graph; what differs between them is fed. Agrees with the interpreter bit for bit in float32.
 */
import { lazyConstant, graphOf, input, type Graph, type Value } from '../../graph/graph.ts';
import { add, and, cast, concat, equal, gather, mul, slice, sub, where } from '../../graph/ops/build.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import { computeAdditions, hasAdditions } from './apply.ts';
import { getScaledOffset, findOutputSide, type RowBlock } from './copy-rows.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { resolveSides, type Side, type Sides } from './sides.ts';

/** What an engine feeds under an input's name. */
export interface Feed {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

const matrix = (shape: readonly number[]): readonly number[] => (shape.length === 1 ? [1, shape[0]!] : shape);

/** Rows of the weight as a matrix; a vector is one row. */
export const countRows = (recipe: TensorRecipe): number => matrix(recipe.to)[0]!;

/** Equal keys mean the same graph. Null for a silent weight, which is zeros and needs none. */
export function computeGraphKey(
  recipe: TensorRecipe,
  maps: AxisMaps,
  stored: WeightDType,
  rows: number,
): string | null {
  if (recipe.zeroOutput) return null;
  const parts = recipe.factors.map((f) => f.part?.axis ?? f.shared ?? '').filter(Boolean);
  return JSON.stringify([
    recipe.layout,
    recipe.from,
    recipe.to,
    stored,
    recipe.dtype,
    rows,
    recipe.spread,
    getScaledOffset(recipe),
    hasAdditions(recipe),
    Object.keys(recipe.fills),
    parts,
    recipe.second !== undefined,
    recipe.slice,
    textOf(maps),
  ]);
}

const texts = new WeakMap<AxisMaps, string>();

/** Maps as text, made once: uneven ones are long. */
function textOf(maps: AxisMaps): string {
  const known = texts.get(maps) ?? JSON.stringify(maps);
  texts.set(maps, known);
  return known;
}

/**
 * Inputs `source` (the stored weight as a matrix, in its stored dtype), `second` beside it where the recipe
 * names one, and those of `growthFeeds`; the output `grown` is [rows, columns] in the recipe's dtype.
 */
export function buildGrowthGraph(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  stored: WeightDType,
  rows: number,
): Graph {
  const sides = resolveSides(recipe, maps, from, to);
  const { columns } = sides;
  const key = `${recipe.layout} ${JSON.stringify(recipe.slice)} ${textOf(maps)}`;
  const source = sourcesOf(recipe, sides, stored);
  const factor = input('factor', 'float32', factorShape(sides, rows));
  const picked = gather(source, input('rows', 'int32', [rows]), 0);
  const offset = getScaledOffset(recipe);
  const scale = (x: Value): Value =>
    offset === 0 ? mul(x, factor) : sub(mul(add(x, offset), factor), offset);
  const spread = (x: Value): Value =>
    isPlain(columns) && !doubled(recipe, sides, columns)
      ? x
      : columnsOf(x, columns, origins(recipe, sides, columns), key);
  // few columns are scaled rather than many, where all share a factor
  const scaled = columns.scale ? scale(spread(picked)) : spread(scale(picked));
  const carried = carriedCells(recipe, sides, rows, key);
  const kept = carried ? where(carried, scaled, 0) : scaled;
  const grown = hasAdditions(recipe) ? add(kept, input('additions', 'float32', [rows, columns.to])) : kept;
  return graphOf({ grown: cast(grown, recipe.dtype) });
}

/**
 * Every input of the graph but `source`, for one block of rows. `source` holds the whole weight; `additions`
 * may be kept from one block to the next.
 */
export function buildGrowthFeeds(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  source: Float32Array,
  seed: number,
  block: RowBlock = { at: 0, rows: countRows(recipe) },
  additions: Float32Array | null = computeGraphAdditions(recipe, maps, from, to, source, seed),
): Readonly<Record<string, Feed>> {
  const sides = resolveSides(recipe, maps, from, to);
  const { rows, columns } = sides;
  const end = block.at + block.rows;
  const feeds: Record<string, Feed> = {
    rows: { dtype: 'int32', shape: [block.rows], data: origins(recipe, sides, rows).subarray(block.at, end) },
    factor: { dtype: 'float32', shape: factorShape(sides, block.rows), data: factors(sides, block) },
  };
  if (marksRows(recipe, rows))
    feeds['marks'] = {
      dtype: 'int32',
      shape: [block.rows, 1],
      data: marks(recipe, rows, columns).subarray(block.at, end),
    };
  if (additions)
    feeds['additions'] = {
      dtype: 'float32',
      shape: [block.rows, columns.to],
      data: additions.subarray(block.at * columns.to, end * columns.to),
    };
  return feeds;
}

/** The `additions` of all rows, or null where the graph takes none. */
export const computeGraphAdditions = (
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  source: Float32Array,
  seed: number,
): Float32Array | null =>
  hasAdditions(recipe) ? computeAdditions(recipe, maps, from, to, source, seed) : null;

/** At most this many runs of columns are copied whole. */
const mostRuns = 16;

/**
 * Columns of `x` from their origins: a few runs are copied whole, many columns are picked one by one. What
 * new columns hold is not looked at.
 */
function columnsOf(x: Value, side: Side, from: Int32Array, key: string): Value {
  const runs: { from: number; length: number }[] = [];
  const width = x.shape[1]!;
  for (let i = 0; i < from.length && runs.length <= mostRuns; i++) {
    const last = runs.at(-1);
    const isNew = side.source[i]! < 0;
    const next = last && last.from + last.length;
    if (last && next! < width && (isNew || next === from[i])) last.length++;
    else runs.push({ from: isNew ? 0 : from[i]!, length: 1 });
  }
  if (runs.length > mostRuns)
    return gather(
      x,
      lazyConstant(`columns ${key}`, 'int32', [from.length], () => [...from]),
      1,
    );
  return concat(
    runs.map((run) => slice(x, 1, run.from, run.from + run.length)),
    1,
  );
}

/**
 * Which cells carry a value, as a condition; undefined when all do. A new entry of a side has the mark -1, an
 * old one 0 or (diagonal) the copy it goes with.
 */
function carriedCells(
  recipe: TensorRecipe,
  { rows, columns }: Sides,
  count: number,
  key: string,
): Value | undefined {
  const column = lazyConstant(`marks ${recipe.spread} ${key}`, 'int32', [1, columns.to], () =>
    marks(recipe, columns, rows),
  );
  const row = marksRows(recipe, rows) ? input('marks', 'int32', [count, 1]) : undefined;
  const zero = lazyConstant('0', 'int32', [1, 1], () => [0]);
  if (recipe.spread === 'diagonal') return equal(row!, column);
  const conditions = [...(row ? [equal(row, zero)] : []), ...(hasNew(columns) ? [equal(column, zero)] : [])];
  return conditions.length === 2 ? and(conditions[0]!, conditions[1]!) : conditions[0];
}

const marksRows = (recipe: TensorRecipe, rows: Side): boolean => recipe.spread === 'diagonal' || hasNew(rows);
const hasNew = (side: Side): boolean => side.source.includes(-1);
const isPlain = (side: Side): boolean =>
  side.from === side.to && side.source.every((from, at) => from === at);

/** The source weight, or both back to back along the side that is written. */
function sourcesOf(recipe: TensorRecipe, { rows, columns }: Sides, stored: WeightDType): Value {
  const both = (recipe.second === undefined ? ['source'] : ['source', 'second']).map((name) =>
    cast(input(name, stored, matrix(recipe.from)), 'float32'),
  );
  return both.length === 1 ? both[0]! : concat(both, findOutputSide(rows, columns) === rows ? 0 : 1);
}

/** Whether this side has the second source behind the first. */
const doubled = (recipe: TensorRecipe, { rows, columns }: Sides, side: Side): boolean =>
  recipe.second !== undefined && findOutputSide(rows, columns) === side;

/** Where each entry of a side is gathered from. */
function origins(recipe: TensorRecipe, sides: Sides, side: Side): Int32Array {
  const two = doubled(recipe, sides, side);
  return side.source.map((from, i) => Math.max(from, 0) + (two && side.copy[i]! > 0 ? side.from : 0));
}

/** Marks of `side`; where it is written, its copy modulo the copies of the `other` side that it reads. */
function marks({ spread }: TensorRecipe, side: Side, other: Side): Int32Array {
  return side.copy.map((copy) =>
    copy < 0 ? -1 : spread === 'symmetric' ? 0 : side.role === 'in' ? copy : copy % other.copies,
  );
}

const factorShape = ({ rows, columns }: Sides, count: number): readonly number[] => [
  rows.scale ? count : 1,
  columns.scale ? columns.to : 1,
];

function factors({ rows, columns, scale }: Sides, block: RowBlock): Float32Array {
  const down = rows.scale?.subarray(block.at, block.at + block.rows) ?? [1];
  const across = columns.scale ?? [1];
  return Float32Array.from(
    { length: down.length * across.length },
    (_, i) => scale * down[Math.floor(i / across.length)]! * across[i % across.length]!,
  );
}
