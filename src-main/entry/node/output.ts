/**
 * @file The output of a command: results on standard output, everything else on standard error. With `--json`,
 * the result is one JSON object on the last line.
 */
import { toErrorData, describeError, type ErrorData } from '../../base/errors.ts';
import { formatDuration } from '../../base/format.ts';

export const exits = { ok: 0, failed: 1, usage: 2, notProven: 3, cancelled: 130 } as const;

export interface Output {
  readonly json: boolean;
  /** Prints `text`, or with `--json` the value on one line. */
  result(value: unknown, text: string): void;
  /** Prints a line to standard error. */
  note(line: string): void;
  /** Draws a progress bar on a terminal; elsewhere prints a line every few seconds. */
  progress(label: string, done: number, of: number, more?: string): void;
  /** Ends the line of the progress bar. */
  endProgress(): void;
  /** Prints a piece of generated text, unless `--json` is given. */
  piece(text: string): void;
  /** Prints an error, with `--json` also as an object; returns its exit code. */
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

/** Milliseconds between two progress lines, and between two drawings of the bar. */
const lineInterval = 3000;
const drawInterval = 80;
const defaultColumns = 80;
const longestBar = 24;

export function createOutput(json: boolean, { out, err, now = Date.now }: Streams): Output {
  const progress = createProgress(err, now);
  return {
    json,
    result(value, text) {
      progress.end();
      out.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`);
    },
    note(line) {
      progress.end();
      err.write(`${line}\n`);
    },
    progress: progress.show,
    endProgress: progress.end,
    piece(text) {
      if (json) return;
      progress.end();
      out.write(text);
    },
    error(thrown) {
      progress.end();
      const error = toErrorData(thrown);
      const [message, remedy] = describeError(error);
      err.write(`${message}.\n${remedy}\n`);
      const log = engineLog(error);
      if (log) err.write(`${log}\n`);
      if (json) out.write(`${JSON.stringify({ error: { code: error.code, message, remedy } })}\n`);
      return exitCodeOf(error);
    },
  };
}

function exitCodeOf({ code }: ErrorData): number {
  if (code === 'usage') return exits.usage;
  return code === 'cancelled' ? exits.cancelled : exits.failed;
}

interface Progress {
  show(label: string, done: number, of: number, more?: string): void;
  end(): void;
}

function createProgress(err: Streams['err'], now: () => number): Progress {
  const isTerminal = err.isTTY === true;
  const interval = isTerminal ? drawInterval : lineInterval;
  let label = '';
  let startTime = 0;
  let lastShown = -Infinity;
  let isOnLine = false;
  const end = (): void => {
    if (isOnLine) err.write('\n');
    isOnLine = false;
  };
  const show: Progress['show'] = (name, done, of, more = '') => {
    const time = now();
    const isLast = done >= of;
    if (name !== label) {
      end();
      label = name;
      startTime = time;
      lastShown = -Infinity;
    }
    if (!isLast && time - lastShown < interval) return;
    lastShown = time;
    const share = of > 0 ? Math.min(1, done / of) : 0;
    const percent = (share * 100).toFixed(0).padStart(3);
    const details = more ? `  ${more}` : '';
    const text = `${name} ${percent} %${details}${timeLeft(share, (time - startTime) / 1000)}`;
    if (!isTerminal) {
      err.write(`${text}\n`);
      return;
    }
    err.write(drawBar(text, share, err.columns ?? defaultColumns));
    isOnLine = true;
    if (isLast) end();
  };
  return { show, end };
}

function timeLeft(share: number, seconds: number): string {
  const isKnown = share > 0.02 && share < 1 && seconds > 2;
  return isKnown ? `, ${formatDuration(seconds / share - seconds)} left` : '';
}

/** Replaces the current line of the terminal. */
function drawBar(text: string, share: number, columns: number): string {
  const length = Math.max(0, Math.min(longestBar, columns - text.length - 4));
  const full = Math.round(share * length);
  const clearLine = '\r\u001b[K';
  return `${clearLine}${'█'.repeat(full)}${'░'.repeat(length - full)} ${text}`.slice(
    0,
    columns + clearLine.length,
  );
}

/** The last lines of an engine that crashed. */
const engineLog = ({ code, detail }: ErrorData): string =>
  code === 'engine/crashed' ? String((detail as { lines?: unknown }).lines ?? '').trim() : '';

/** Notes about a result, one per line. */
export const formatNotes = (notes: readonly string[] = []): readonly string[] =>
  notes.map((note) => `Note: ${note}.`);

/** Aligns rows as columns, numbers to the right. The first row is the heading. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const heading = rows[0] ?? [];
  const widths = heading.map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? '').length)));
  const isNumeric = heading.map((_, i) => rows.slice(1).every((row) => typeof row[i] === 'number'));
  const align = (cell: string | number, i: number): string =>
    isNumeric[i] ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!);
  return rows.map((row) => row.map(align).join('  ').trimEnd()).join('\n');
}
