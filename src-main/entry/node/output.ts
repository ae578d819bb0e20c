/**
 * @file The output of a command: results on standard output, everything else on standard error. With `--json`,
 * the result is one JSON object on the last line.
 */
import { toErrorData, describeError, type ErrorData } from '../../base/errors.ts';
import { formatDuration } from '../../base/format.ts';
import { escapeControls, escapeJsonControls } from './terminal-text.ts';

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
  const print = (text: string): unknown => out.write(escapeControls(text));
  const printJson = (value: unknown): unknown => out.write(`${escapeJsonControls(JSON.stringify(value))}\n`);
  const report = (text: string): unknown => err.write(escapeControls(text));
  return {
    json,
    result(value, text) {
      progress.end();
      if (json) printJson(value);
      else print(`${text}\n`);
    },
    note(line) {
      progress.end();
      report(`${line}\n`);
    },
    progress: progress.show,
    endProgress: progress.end,
    piece(text) {
      if (json) return;
      progress.end();
      print(text);
    },
    error(thrown) {
      progress.end();
      const error = toErrorData(thrown);
      const [message, remedy] = describeError(error);
      report(`${message}.\n${remedy}\n`);
      const log = engineLog(error);
      if (log) report(`${log}\n`);
      if (json) printJson({ error: { code: error.code, message, remedy } });
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
    const left = timeLeft(share, (time - startTime) / 1000);
    const text = escapeControls(`${name} ${percent} %${details}${left}`);
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

/** Columns between two columns of a table, and the narrowest that a text becomes. */
const gap = 2;
const narrowest = 12;

/** The width of the terminal; a table that goes to a file or a pipe has no limit. */
const terminalWidth = (): number => (process.stdout.isTTY ? process.stdout.columns : Infinity);

/**
 * Aligns rows as columns, numbers to the right. The first row is the heading. Where the rows are wider than `width`,
 * the widest texts continue on further lines.
 */
export function table(rows: readonly (readonly (string | number)[])[], width = terminalWidth()): string {
  const heading = rows[0] ?? [];
  const isNumeric = heading.map((_, i) => rows.slice(1).every((row) => typeof row[i] === 'number'));
  const natural = heading.map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? '').length)));
  const widths = fitColumns(natural, isNumeric, width);
  const align = (text: string, i: number): string =>
    isNumeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  const lines = rows.flatMap((row) => {
    const cells = row.map((cell, i) => wrap(String(cell), widths[i]!));
    const height = Math.max(1, ...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) =>
      cells
        .map((cell, i) => align(cell[line] ?? '', i))
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  });
  return lines.join('\n');
}

/** Takes the columns that are missing from the widest texts. Numbers keep their width. */
function fitColumns(
  natural: readonly number[],
  isNumeric: readonly boolean[],
  width: number,
): readonly number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, one) => sum + one, 0) + gap * (widths.length - 1);
  while (total() > width) {
    const shrinkable = widths.map((one, i) => (isNumeric[i] === true || one <= narrowest ? 0 : one));
    const widest = Math.max(0, ...shrinkable);
    if (widest === 0) break;
    widths[shrinkable.indexOf(widest)]! -= 1;
  }
  return widths;
}

/** Lines of at most `width` characters, cut at spaces, or anywhere in a longer word. */
function wrap(text: string, width: number): readonly string[] {
  if (text.length <= width) return [text];
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > width / 3 ? space : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return rest === '' ? lines : [...lines, rest];
}
