/**
 * @file Old values in their new places, scaled, row by row: of a whole grown weight or of a block of its
 * rows.
 */
import type { TensorRecipe } from '../recipe.ts';
import type { Side, Sides } from './sides.ts';

export type Values = Float32Array | Float64Array;

/** Rows `at`... of the grown matrix. */
export interface RowBlock {
  readonly at: number;
  readonly rows: number;
}

/** Rounds a row of float32 to a narrower type; both are as long. */
export type NarrowRow = (row: Float32Array, into: Uint16Array) => void;

/** The side that is written: a vector's only one, a matrix's output. */
export const findOutputSide = (rows: Side, columns: Side): Side => (rows.role === 'out' ? rows : columns);

/** Whether a cell of these copies is a further copy of what is written. */
const isFurther = (rows: Side, columns: Side, row: number, column: number): boolean =>
  (findOutputSide(rows, columns) === rows ? row : column) > 0;

/**
 * Whether a cell of these copies carries a value. Symmetric: all do; diagonal: the input's copy is the
 * output's, modulo the copies of the input.
 */
export function createCellFilter(
  { spread }: TensorRecipe,
  rows: Side,
  columns: Side,
): (row: number, column: number) => boolean {
  if (spread === 'symmetric') return () => true;
  return rows.role === 'in'
    ? (row, column) => column % rows.copies === row
    : (row, column) => row % columns.copies === column;
}

/**
 * What is added before scaling and taken off after it; 0 where nothing is scaled, so that such values keep
 * their bits.
 */
export const getScaledOffset = ({ factors, offset }: TensorRecipe): number => (factors.length ? offset : 0);

/** Shorter runs are copied entry by entry: a call would cost more. */
const shortRun = 24;

/**
 * Fills a block of rows of `out` ([block.rows, columns]) with old values, zero where an entry is new.
 * `source` and `second` (further copies come from it) are whole;
 * values are rounded to `out`'s own type, halves by `narrowing`, before they are copied side by side.
 */
export function copyRows(
  recipe: TensorRecipe,
  { rows, columns, scale }: Sides,
  source: Values,
  second: Values | undefined,
  out: Values | Uint16Array,
  block: RowBlock,
  narrowing?: NarrowRow,
): void {
  const width = columns.to;
  const offset = getScaledOffset(recipe);
  const shares = createCellFilter(recipe, rows, columns);
  const single = source instanceof Float32Array;
  const gaps = recipe.spread === 'diagonal' || columns.source.includes(-1);
  const halves = out instanceof Uint16Array;
  const make = (length: number): Values => (single ? new Float32Array(length) : new Float64Array(length));
  const whole = columns.scale && halves ? make(width) : undefined;
  const begin = columns.runs.reduce((least, run) => Math.min(least, run.from), columns.from);
  const end = columns.runs.reduce((most, run) => Math.max(most, run.from + run.length), begin);
  const lines = [make(end - begin), make(end - begin)];
  const narrowed = halves ? [new Uint16Array(end - begin), new Uint16Array(end - begin)] : [];
  for (let i = 0, at = 0; i < block.rows; i++, at += width) {
    const r = block.at + i;
    const origin = rows.source[r]!;
    const copy = rows.copy[r]!;
    const by = scale * (rows.scale?.[r] ?? 1);
    const start = origin * columns.from;
    if (gaps || origin < 0) out.fill(0, at, at + width);
    if (origin < 0) continue;
    if (columns.scale) {
      // every run has a factor of its own
      const [into, base] = whole ? [whole.fill(0), 0] : [out as Values, at];
      for (const run of columns.runs)
        if (shares(copy, run.copy))
          scaled(
            second && isFurther(rows, columns, copy, run.copy) ? second : source,
            start + run.from,
            into,
            base + run.at,
            run.length,
            by * columns.scale[run.at]!,
            offset,
          );
      if (whole) narrowing!(whole as Float32Array, (out as Uint16Array).subarray(at, at + width));
      continue;
    }
    const made: (Values | Uint16Array | undefined)[] = [undefined, undefined];
    for (const run of columns.runs) {
      if (!shares(copy, run.copy)) continue;
      const which = second && isFurther(rows, columns, copy, run.copy) ? 1 : 0;
      let line = made[which];
      if (!line) {
        const wide = lines[which]!;
        scaled(which ? second! : source, start + begin, wide, 0, end - begin, by, offset);
        if (halves) narrowing!(wide as Float32Array, narrowed[which]!);
        made[which] = line = halves ? narrowed[which]! : wide;
      }
      if (run.length < shortRun)
        for (let j = 0; j < run.length; j++) out[at + run.at + j] = line[run.from - begin + j]!;
      else
        out.set(
          run.length === line.length ? line : line.subarray(run.from - begin, run.from - begin + run.length),
          at + run.at,
        );
    }
  }
}

function scaled(
  source: Values,
  from: number,
  out: Values,
  at: number,
  length: number,
  factor: number,
  offset: number,
): void {
  const k = out instanceof Float32Array ? Math.fround(factor) : factor;
  if (k === 1 && offset === 0) return out.set(source.subarray(from, from + length), at);
  if (offset === 0) for (let i = 0; i < length; i++) out[at + i] = source[from + i]! * k;
  else
    for (let i = 0; i < length; i++) {
      out[at + i] = source[from + i]! + offset;
      out[at + i]! *= k;
      out[at + i]! -= offset;
    }
}
