/** @file Copies old values to their new positions and scales them, for a block of rows of a grown weight. */
import type { TensorRecipe } from '../recipe.ts';
import type { Run, Side } from './side.ts';
import type { Sides } from './sides.ts';

export type Values = Float32Array | Float64Array;

/** Rows `at` to `at + rows` of the grown matrix. */
export interface RowBlock {
  readonly at: number;
  readonly rows: number;
}

/** Rounds a row of float32 to a 16-bit type. Both arrays have the same length. */
export type DowncastRow = (row: Float32Array, into: Uint16Array) => void;

/** The output side of a matrix, or the only side of a vector. */
export const findOutputSide = (rows: Side, columns: Side): Side => (rows.role === 'out' ? rows : columns);

type CellFilter = (rowCopy: number, columnCopy: number) => boolean;

/**
 * A predicate: whether a cell has a value, by the copy numbers of its row and column. With the symmetric
 * spread all cells have one. With the diagonal spread the input copy must equal the output copy modulo the
 * number of input copies.
 */
export function createCellFilter({ spread }: TensorRecipe, rows: Side, columns: Side): CellFilter {
  if (spread === 'symmetric') return () => true;
  return rows.role === 'in'
    ? (row, column) => column % rows.copies === row
    : (row, column) => row % columns.copies === column;
}

/** The offset to add before scaling and subtract after. 0 without factors, so that values keep their bits. */
export const getScaledOffset = ({ factors, offset }: TensorRecipe): number => (factors.length ? offset : 0);

/** Shorter runs are copied value by value, which is faster than a call of `set`. */
const shortRun = 24;

/**
 * Fills a block of rows of `out`, [block.rows, columns], with scaled old values and zeros for new entries.
 * `source` and `second` are complete source weights; further copies along the output come from `second` if it
 * is given. A 16-bit `out` requires `downcast`; values are rounded before they are copied.
 */
export function copyRows(
  recipe: TensorRecipe,
  sides: Sides,
  source: Values,
  second: Values | undefined,
  out: Values | Uint16Array,
  block: RowBlock,
  downcast?: DowncastRow,
): void {
  const { rows, columns } = sides;
  const width = columns.to;
  const hasGaps = recipe.spread === 'diagonal' || columns.source.includes(-1);
  const task: CopyTask = { recipe, sides, source, second, out, downcast };
  const copyRow = columns.scale ? createScaledRunCopier(task, columns.scale) : createRowCopier(task);
  for (let i = 0; i < block.rows; i++) {
    const row = block.at + i;
    const start = i * width;
    const isNew = rows.source[row]! < 0;
    if (hasGaps || isNew) out.fill(0, start, start + width);
    if (!isNew) copyRow(row, start);
  }
}

interface CopyTask {
  readonly recipe: TensorRecipe;
  readonly sides: Sides;
  readonly source: Values;
  readonly second: Values | undefined;
  readonly out: Values | Uint16Array;
  readonly downcast: DowncastRow | undefined;
}

/** Copies an old row `row` of the grown matrix to `out`, from the index `start` on. */
type CopyRow = (row: number, start: number) => void;

/** Whether the cell is a further copy along the output, by the copy numbers of its row and column. */
function createSecondFilter({ rows, columns }: Sides): CellFilter {
  const isRowOutput = findOutputSide(rows, columns) === rows;
  return (row, column) => (isRowOutput ? row : column) > 0;
}

const createBuffer = (like: Values, length: number): Values =>
  like instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);

/** For columns with factors of their own: scales every run separately. */
function createScaledRunCopier(task: CopyTask, columnScale: Float64Array): CopyRow {
  const { recipe, source, second, out, downcast } = task;
  const { rows, columns, scale } = task.sides;
  const width = columns.to;
  const offset = getScaledOffset(recipe);
  const hasValue = createCellFilter(recipe, rows, columns);
  const usesSecond = createSecondFilter(task.sides);
  const wideRow = out instanceof Uint16Array ? createBuffer(source, width) : undefined;
  return (row, start) => {
    const rowCopy = rows.copy[row]!;
    const rowScale = scale * (rows.scale?.[row] ?? 1);
    const sourceStart = rows.source[row]! * columns.from;
    const target = wideRow ? wideRow.fill(0) : (out as Values);
    const base = wideRow ? 0 : start;
    for (const run of columns.runs) {
      if (!hasValue(rowCopy, run.copy)) continue;
      const from = second && usesSecond(rowCopy, run.copy) ? second : source;
      const factor = rowScale * columnScale[run.at]!;
      copyScaled(from, sourceStart + run.from, target, base + run.at, run.length, factor, offset);
    }
    if (wideRow) downcast!(wideRow as Float32Array, (out as Uint16Array).subarray(start, start + width));
  };
}

/** For columns without factors: scales the source row once, and copies its runs. */
function createRowCopier(task: CopyTask): CopyRow {
  const { recipe, source, second, out, downcast } = task;
  const { rows, columns, scale } = task.sides;
  const offset = getScaledOffset(recipe);
  const hasValue = createCellFilter(recipe, rows, columns);
  const usesSecond = createSecondFilter(task.sides);
  const begin = columns.runs.reduce((least, run) => Math.min(least, run.from), columns.from);
  const end = columns.runs.reduce((most, run) => Math.max(most, run.from + run.length), begin);
  const length = end - begin;
  const wideRows = [createBuffer(source, length), createBuffer(source, length)];
  const downcastRows =
    out instanceof Uint16Array ? [new Uint16Array(length), new Uint16Array(length)] : undefined;
  const scaleRow = (index: 0 | 1, row: number): Values | Uint16Array => {
    const wide = wideRows[index]!;
    const start = rows.source[row]! * columns.from + begin;
    const factor = scale * (rows.scale?.[row] ?? 1);
    copyScaled(index === 1 ? second! : source, start, wide, 0, length, factor, offset);
    if (!downcastRows) return wide;
    downcast!(wide as Float32Array, downcastRows[index]!);
    return downcastRows[index]!;
  };
  return (row, start) => {
    const rowCopy = rows.copy[row]!;
    let first: Values | Uint16Array | undefined;
    let other: Values | Uint16Array | undefined;
    for (const run of columns.runs) {
      if (!hasValue(rowCopy, run.copy)) continue;
      if (second && usesSecond(rowCopy, run.copy)) {
        other ??= scaleRow(1, row);
        copyRun(other, run, begin, out, start);
      } else {
        first ??= scaleRow(0, row);
        copyRun(first, run, begin, out, start);
      }
    }
  };
}

/** Copies a run from a scaled row, whose first value is the source entry `begin`. */
function copyRun(
  row: Values | Uint16Array,
  run: Run,
  begin: number,
  out: Values | Uint16Array,
  start: number,
): void {
  const { length } = run;
  const from = run.from - begin;
  const to = start + run.at;
  if (length < shortRun) for (let j = 0; j < length; j++) out[to + j] = row[from + j]!;
  else out.set(length === row.length ? row : row.subarray(from, from + length), to);
}

function copyScaled(
  source: Values,
  from: number,
  out: Values,
  at: number,
  length: number,
  factor: number,
  offset: number,
): void {
  const k = out instanceof Float32Array ? Math.fround(factor) : factor;
  if (k === 1 && offset === 0) {
    out.set(source.subarray(from, from + length), at);
    return;
  }
  if (offset === 0) {
    for (let i = 0; i < length; i++) out[at + i] = source[from + i]! * k;
    return;
  }
  // Three statements, so that a float32 array rounds after each operation, as a device does.
  for (let i = 0; i < length; i++) {
    out[at + i] = source[from + i]! + offset;
    out[at + i]! *= k;
    out[at + i]! -= offset;
  }
}
