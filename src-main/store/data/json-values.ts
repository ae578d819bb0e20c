/**
 * @file Reads JSON values from text that arrives in parts: one per line, or the items of an array. Time and
 * memory grow linearly with the length of a value.
 */
import { refuse } from '../../base/errors.ts';
import { anyJson, parseJson as parseText, type Json } from '../../base/json.ts';

/** A longer value does not fit in a JavaScript string together with the rest of its part. */
const maxValueLength = 2 ** 29 - 2 ** 20;

export interface PlacedValue {
  readonly value: Json;
  /** The line that the value begins on, from 1. */
  readonly line: number;
}

/**
 * Yields the JSON values of a text: one per line, or, if the text begins with `[`, the items of the array.
 * Refuses `data/bad-line`, `data/too-long`.
 */
export async function* readJsonLines(
  path: string,
  parts: AsyncIterable<string>,
): AsyncGenerator<PlacedValue> {
  const peeked = await peekFirstCharacter(parts);
  if (peeked.first === '[') yield* readArray(path, peeked.parts);
  else yield* readLines(path, peeked.parts);
}

/**
 * Yields the JSON values of a text: the items of an array, or values one after another, on one line or
 * several. Refuses `data/bad-line`, `data/too-long`.
 */
export async function* readJsonValues(
  path: string,
  parts: AsyncIterable<string>,
): AsyncGenerator<PlacedValue> {
  const peeked = await peekFirstCharacter(parts);
  if (peeked.first === '[') yield* readArray(path, peeked.parts);
  else yield* scanValues(path, peeked.parts, false);
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || code === 0xfeff;

/** The first character of a text that is not white space, and the text itself. */
async function peekFirstCharacter(
  parts: AsyncIterable<string>,
): Promise<{ readonly first: string | undefined; readonly parts: AsyncIterable<string> }> {
  const iterator = parts[Symbol.asyncIterator]();
  const read: string[] = [];
  let first: string | undefined;
  while (first === undefined) {
    const next = await iterator.next();
    if (next.done === true) break;
    read.push(next.value);
    first = /[^\s\ufeff]/.exec(next.value)?.[0];
  }
  async function* all(): AsyncGenerator<string> {
    try {
      yield* read;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.(undefined);
    }
  }
  return { first, parts: all() };
}

/** Collects the parts of one value. Joining them once keeps the time linear. */
function createCollector(path: string): {
  add(text: string, line: number): void;
  take(): string;
} {
  let pieces: string[] = [];
  let length = 0;
  return {
    add(text, line) {
      length += text.length;
      if (length > maxValueLength) refuse('data/too-long', { path, line, limit: maxValueLength });
      pieces.push(text);
    },
    take() {
      const text = pieces.length === 1 ? pieces[0]! : pieces.join('');
      pieces = [];
      length = 0;
      return text;
    },
  };
}

async function* readLines(path: string, parts: AsyncIterable<string>): AsyncGenerator<PlacedValue> {
  const current = createCollector(path);
  let line = 1;
  const parse = (): PlacedValue | undefined => {
    const text = current.take();
    return isBlank(text) ? undefined : { value: parseJson(path, line, text), line };
  };
  for await (const part of parts) {
    let start = 0;
    for (let end = part.indexOf('\n'); end >= 0; end = part.indexOf('\n', start)) {
      current.add(part.slice(start, end), line);
      const placed = parse();
      if (placed) yield placed;
      line++;
      start = end + 1;
    }
    current.add(part.slice(start), line);
  }
  const placed = parse();
  if (placed) yield placed;
}

function isBlank(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isSpace(text.charCodeAt(at))) return false;
  return true;
}

async function* readArray(path: string, parts: AsyncIterable<string>): AsyncGenerator<PlacedValue> {
  yield* scanValues(path, parts, true);
}

/** What a scan expects outside of values. */
type Expected = 'array' | 'first item' | 'item' | 'comma' | 'value' | 'end';

/** Scans text for values, by counting brackets outside of strings. */
async function* scanValues(
  path: string,
  parts: AsyncIterable<string>,
  isArray: boolean,
): AsyncGenerator<PlacedValue> {
  const current = createCollector(path);
  let expected: Expected = isArray ? 'array' : 'value';
  let line = 1;
  let startLine = 1;
  let isInValue = false;
  let isInString = false;
  let isEscaped = false;
  let depth = 0;
  const refuseLine = (why: string): never => refuse('data/bad-line', { path, line, why });
  const afterValue: Expected = isArray ? 'comma' : 'value';
  const finish = (): PlacedValue => {
    isInValue = false;
    return { value: parseJson(path, startLine, current.take()), line: startLine };
  };
  for await (const part of parts) {
    let start = 0;
    for (let at = 0; at < part.length; at++) {
      const code = part.charCodeAt(at);
      if (code === 10) line++;
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (code === 92) isEscaped = true;
        else if (code === 34) isInString = false;
        if (!isInString && depth === 0) {
          current.add(part.slice(start, at + 1), startLine);
          yield finish();
          expected = afterValue;
        }
        continue;
      }
      const char = part[at]!;
      if (isInValue) {
        const isOpening = char === '{' || char === '[';
        const isClosing = char === '}' || char === ']';
        const endsScalar = depth === 0 && (isSpace(code) || char === ',' || isClosing || isOpening);
        if (char === '"') isInString = true;
        else if (isOpening && !endsScalar) depth++;
        else if (isClosing && depth > 0) {
          depth--;
          if (depth > 0) continue;
          current.add(part.slice(start, at + 1), startLine);
          yield finish();
          expected = afterValue;
          continue;
        }
        if (!endsScalar) continue;
        current.add(part.slice(start, at), startLine);
        yield finish();
        expected = afterValue;
      }
      if (isSpace(code)) continue;
      if (expected === 'end') refuseLine('there is text after the end of its array');
      else if (expected === 'array') expected = 'first item';
      else if (expected === 'comma' && char === ',') expected = 'item';
      else if ((expected === 'comma' || expected === 'first item') && char === ']') expected = 'end';
      else if (expected === 'comma') refuseLine('a comma is missing between two items of its array');
      else if (char === ',' || char === ']' || char === '}') refuseLine(`there is no value before "${char}"`);
      else {
        isInValue = true;
        start = at;
        startLine = line;
        isInString = char === '"';
        depth = char === '{' || char === '[' ? 1 : 0;
      }
    }
    if (isInValue) current.add(part.slice(start), startLine);
  }
  if (isInValue && (isInString || depth > 0)) refuseLine('the file ends within a value');
  if (isInValue) yield finish();
  if (isArray && expected !== 'end') refuseLine('the file ends within its array');
}

/**
 * Parses JSON. Python writes the numbers NaN, Infinity and -Infinity, which JSON has not; they become null.
 * Refuses `data/bad-line`.
 */
export function parseJson(path: string, line: number, text: string): Json {
  const clean = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  try {
    return parseText(clean, anyJson);
  } catch (error) {
    const replaced = replaceNonFinite(clean);
    if (replaced !== undefined)
      try {
        return parseText(replaced, anyJson);
      } catch {
        // The first error is about the text as it is.
      }
    return refuse('data/bad-line', { path, line, why: `it is not JSON (${(error as Error).message})` });
  }
}

/** The text with null for NaN, Infinity and -Infinity outside of strings; undefined if there are none. */
function replaceNonFinite(text: string): string | undefined {
  const pieces: string[] = [];
  let hasReplaced = false;
  for (let at = 0; at < text.length;) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? text.length : quote);
    const replaced = outside.replace(/-?\bInfinity\b|\bNaN\b/g, 'null');
    hasReplaced ||= replaced !== outside;
    pieces.push(replaced);
    if (quote < 0) break;
    const end = findStringEnd(text, quote);
    pieces.push(text.slice(quote, end));
    at = end;
  }
  return hasReplaced ? pieces.join('') : undefined;
}

/** The index after the closing quote of the string that begins at `quote`. */
function findStringEnd(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}
