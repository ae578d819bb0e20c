/**
 * @file What a command says: results on standard output, everything else on standard error; with `--json`,
 * one object as the last line.
 */
import { dataOf, wordsOf, type ErrorData } from '../../base/errors.ts';
import { showDuration } from '../../base/units.ts';

/** Exit codes: what a script can tell apart. */
export const exits = { ok: 0, failed: 1, usage: 2, notProven: 3, cancelled: 130 } as const;

export interface Output {
  readonly json: boolean;
  /** The result: `human` lines without `--json`, `value` as one line of JSON with it. */
  result(value: unknown, human: string): void;
  /** A line beside the result. */
  note(line: string): void;
  /** A bar on a terminal; in a log, a line at most every `quiet` milliseconds. */
  progress(label: string, done: number, of: number, more?: string): void;
  /** Ends the bar's line. */
  settle(): void;
  /** A piece of text as it comes (a sample): on standard output without `--json`. */
  piece(text: string): void;
  /** The error in words, or with `--json` as an object; the exit code that goes with it. */
  error(thrown: unknown): number;
}

export interface Streams {
  readonly out: { write(text: string): unknown };
  readonly err: {
    write(text: string): unknown;
    readonly isTTY?: boolean | undefined;
    readonly columns?: number | undefined;
  };
  readonly now?: () => number;
}

const quiet = 3000;
const frame = 80;

export function createOutput(json: boolean, { out, err, now = Date.now }: Streams): Output {
  const tty = err.isTTY === true;
  let shown = -Infinity;
  let label = '';
  let since = 0;
  let onLine = false;
  const settle = (): void => {
    if (onLine) err.write('\n');
    onLine = false;
  };
  const note = (line: string): void => {
    settle();
    err.write(`${line}\n`);
  };
  return {
    json,
    result(value, human) {
      settle();
      out.write(json ? `${JSON.stringify(value)}\n` : `${human}\n`);
    },
    note,
    progress(name, done, of, more = '') {
      const time = now();
      const last = done >= of;
      if (name !== label) {
        settle();
        label = name;
        since = time;
        shown = -Infinity;
      }
      if (!last && time - shown < (tty ? frame : quiet)) return;
      shown = time;
      const share = of > 0 ? Math.min(1, done / of) : 0;
      const seconds = (time - since) / 1000;
      const left =
        share > 0.02 && share < 1 && seconds > 2 ? `, ${showDuration(seconds / share - seconds)} left` : '';
      const text = `${name} ${(share * 100).toFixed(0).padStart(3)} %${more ? `  ${more}` : ''}${left}`;
      if (!tty) {
        err.write(`${text}\n`);
        return;
      }
      const width = Math.max(0, Math.min(24, (err.columns ?? 80) - text.length - 4));
      const full = Math.round(share * width);
      err.write(
        `\r\u001b[K${'█'.repeat(full)}${'░'.repeat(width - full)} ${text}`.slice(0, (err.columns ?? 80) + 4),
      );
      onLine = true;
      if (last) settle();
    },
    settle,
    piece(text) {
      if (!json) {
        settle();
        out.write(text);
      }
    },
    error(thrown) {
      settle();
      const error = dataOf(thrown);
      const [message, remedy] = wordsOf(error);
      err.write(`${message}.\n${remedy}\n`);
      const log = logOf(error);
      if (log) err.write(`${log}\n`);
      if (json) out.write(`${JSON.stringify({ error: { code: error.code, message, remedy } })}\n`);
      return error.code === 'usage'
        ? exits.usage
        : error.code === 'cancelled'
          ? exits.cancelled
          : exits.failed;
    },
  };
}

/** The last lines of an engine that died. */
const logOf = (error: ErrorData): string =>
  error.code === 'engine/crashed' ? String((error.detail as { lines?: unknown }).lines ?? '').trim() : '';

/** Rows as aligned columns; numbers to the right. The first row is the heading. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? '').length)));
  const right = (rows[0] ?? []).map((_, i) => rows.slice(1).every((row) => typeof row[i] === 'number'));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right[i] ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
