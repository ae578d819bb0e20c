/**
 * @file A recipe as a graph for a device that gathers, scales and casts rows and columns. Weights of the same
 * shape share a graph and differ in its inputs. The output is bit-identical to the reference in float32.
 */
import { graphOf, input, lazyConstant, type Graph, type Value } from '../../graph/graph.ts';
import { add, and, cast, concat, equal, gather, mul, slice, sub, where } from '../../graph/ops/build.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import type { AxisMaps, TensorRecipe } from '../recipe.ts';
import { computeAdditions, hasAdditions } from './apply.ts';
import { findOutputSide, getScaledOffset, type RowBlock } from './copy-rows.ts';
import type { Side } from './side.ts';
import { resolveSides, type Sides } from './sides.ts';

/** An input of the graph. */
export interface Feed {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

const toMatrixShape = (shape: readonly number[]): readonly number[] =>
  shape.length === 1 ? [1, shape[0]!] : shape;

/** The number of rows of the weight as a matrix. A vector is one row. */
export const countRows = (recipe: TensorRecipe): number => toMatrixShape(recipe.to)[0]!;

/** Recipes with equal keys have the same graph. Null for weights of zeros, which need no graph. */
export function computeGraphKey(
  recipe: TensorRecipe,
  maps: AxisMaps,
  stored: WeightDType,
  rows: number,
): string | null {
  if (recipe.zeroOutput) return null;
  const factorAxes = recipe.factors.map((f) => f.part?.axis ?? f.shared ?? '').filter(Boolean);
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
    factorAxes,
    recipe.second !== undefined,
    recipe.slice,
    stringifyMaps(maps),
  ]);
}

const mapTexts = new WeakMap<AxisMaps, string>();

/** Maps as JSON, cached because maps with uneven copies are long. */
function stringifyMaps(maps: AxisMaps): string {
  const text = mapTexts.get(maps) ?? JSON.stringify(maps);
  mapTexts.set(maps, text);
  return text;
}

/**
 * The graph for `rows` rows of a weight. Inputs: `source` (the stored weight as a matrix, in its stored dtype),
 * `second` if the recipe names one, and those of `buildGrowthFeeds`. Output: `grown`, [rows, columns] in the
 * recipe's dtype.
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
  const key = `${recipe.layout} ${JSON.stringify(recipe.slice)} ${stringifyMaps(maps)}`;
  const factor = input('factor', 'float32', getFactorShape(sides, rows));
  const offset = getScaledOffset(recipe);
  const scale = (x: Value): Value =>
    offset === 0 ? mul(x, factor) : sub(mul(add(x, offset), factor), offset);
  const keepsColumns = isIdentity(columns) && !readsSecond(recipe, sides, columns);
  const spread = (x: Value): Value =>
    keepsColumns ? x : gatherColumns(x, columns, listOrigins(recipe, sides, columns), key);

  const picked = gather(buildSources(recipe, sides, stored), input('rows', 'int32', [rows]), 0);
  // If all columns share a factor, the fewer source columns are scaled before they are spread.
  const scaled = columns.scale ? scale(spread(picked)) : spread(scale(picked));
  const hasValue = buildCellFilter(recipe, sides, rows, key);
  const copied = hasValue ? where(hasValue, scaled, 0) : scaled;
  const grown = hasAdditions(recipe)
    ? add(copied, input('additions', 'float32', [rows, columns.to]))
    : copied;
  return graphOf({ grown: cast(grown, recipe.dtype) });
}

/**
 * All inputs of the graph but `source` and `second`, for one block of rows. `source` is the complete weight.
 * Pass `additions` to compute them only once for all blocks.
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
  const origins = listOrigins(recipe, sides, rows).subarray(block.at, end);
  const feeds: Record<string, Feed> = {
    rows: { dtype: 'int32', shape: [block.rows], data: origins },
    factor: {
      dtype: 'float32',
      shape: getFactorShape(sides, block.rows),
      data: computeFactors(sides, block),
    },
  };
  if (marksRows(recipe, rows)) {
    const data = computeMarks(recipe, rows, columns).subarray(block.at, end);
    feeds['marks'] = { dtype: 'int32', shape: [block.rows, 1], data };
  }
  if (additions) {
    const data = additions.subarray(block.at * columns.to, end * columns.to);
    feeds['additions'] = { dtype: 'float32', shape: [block.rows, columns.to], data };
  }
  return feeds;
}

/** The input `additions` for all rows; null if the graph does not have it. */
export const computeGraphAdditions = (
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  source: Float32Array,
  seed: number,
): Float32Array | null =>
  hasAdditions(recipe) ? computeAdditions(recipe, maps, from, to, source, seed) : null;

/** Up to this many runs of columns are sliced; more columns are gathered one by one. */
const maxRuns = 16;

/** Columns of `x` by their origins. The values of new columns are arbitrary. */
function gatherColumns(x: Value, side: Side, origins: Int32Array, key: string): Value {
  const runs = findColumnRuns(side, origins, x.shape[1]!);
  if (runs) {
    const slices = runs.map((run) => slice(x, 1, run.from, run.from + run.length));
    return concat(slices, 1);
  }
  const indices = lazyConstant(`columns ${key}`, 'int32', [origins.length], () => [...origins]);
  return gather(x, indices, 1);
}

/** Runs of consecutive origins, extended over new columns where possible; undefined if there are too many. */
function findColumnRuns(
  side: Side,
  origins: Int32Array,
  width: number,
): readonly { readonly from: number; readonly length: number }[] | undefined {
  const runs: { from: number; length: number }[] = [];
  for (const [i, origin] of origins.entries()) {
    const last = runs.at(-1);
    const next = last ? last.from + last.length : width;
    const isNew = side.source[i]! < 0;
    if (last && next < width && (isNew || next === origin)) last.length++;
    else runs.push({ from: isNew ? 0 : origin, length: 1 });
    if (runs.length > maxRuns) return undefined;
  }
  return runs;
}

/**
 * A condition: which cells have a value; undefined if all do. New entries have the mark -1. Old ones have the
 * mark 0, or, with the diagonal spread, the number of the input copy.
 */
function buildCellFilter(
  recipe: TensorRecipe,
  { rows, columns }: Sides,
  count: number,
  key: string,
): Value | undefined {
  const columnMarks = lazyConstant(`marks ${recipe.spread} ${key}`, 'int32', [1, columns.to], () =>
    computeMarks(recipe, columns, rows),
  );
  const rowMarks = marksRows(recipe, rows) ? input('marks', 'int32', [count, 1]) : undefined;
  if (recipe.spread === 'diagonal') return equal(rowMarks!, columnMarks);
  const zero = lazyConstant('0', 'int32', [1, 1], () => [0]);
  const isOldRow = rowMarks && equal(rowMarks, zero);
  const isOldColumn = hasNew(columns) ? equal(columnMarks, zero) : undefined;
  return isOldRow && isOldColumn ? and(isOldRow, isOldColumn) : (isOldRow ?? isOldColumn);
}

const marksRows = (recipe: TensorRecipe, rows: Side): boolean => recipe.spread === 'diagonal' || hasNew(rows);

const hasNew = (side: Side): boolean => side.source.includes(-1);

const isIdentity = (side: Side): boolean =>
  side.from === side.to && side.source.every((from, at) => from === at);

/** The source weight in float32, or both source weights concatenated along the output. */
function buildSources(recipe: TensorRecipe, { rows, columns }: Sides, stored: WeightDType): Value {
  const read = (name: string): Value => cast(input(name, stored, toMatrixShape(recipe.from)), 'float32');
  if (recipe.second === undefined) return read('source');
  const outputAxis = findOutputSide(rows, columns) === rows ? 0 : 1;
  return concat([read('source'), read('second')], outputAxis);
}

/** Whether the entries of the second source follow those of the first on this side. */
const readsSecond = (recipe: TensorRecipe, { rows, columns }: Sides, side: Side): boolean =>
  recipe.second !== undefined && findOutputSide(rows, columns) === side;

/** The index that each entry of a side is gathered from. */
function listOrigins(recipe: TensorRecipe, sides: Sides, side: Side): Int32Array {
  const hasSecond = readsSecond(recipe, sides, side);
  return side.source.map((from, i) => {
    const shift = hasSecond && side.copy[i]! > 0 ? side.from : 0;
    return Math.max(from, 0) + shift;
  });
}

/** Marks of `side`: see `buildCellFilter`. */
function computeMarks({ spread }: TensorRecipe, side: Side, other: Side): Int32Array {
  return side.copy.map((copy) => {
    if (copy < 0) return -1;
    if (spread === 'symmetric') return 0;
    return side.role === 'in' ? copy : copy % other.copies;
  });
}

const getFactorShape = ({ rows, columns }: Sides, count: number): readonly number[] => [
  rows.scale ? count : 1,
  columns.scale ? columns.to : 1,
];

function computeFactors({ rows, columns, scale }: Sides, block: RowBlock): Float32Array {
  const rowScales = rows.scale?.subarray(block.at, block.at + block.rows) ?? [1];
  const columnScales = columns.scale ?? [1];
  const width = columnScales.length;
  return Float32Array.from(
    { length: rowScales.length * width },
    (_, i) => scale * rowScales[Math.floor(i / width)]! * columnScales[i % width]!,
  );
}
