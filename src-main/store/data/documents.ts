/**
 * @file Reads the documents of a file of any format. One rule for all: a text that is missing, null or empty
 * is left out and counted; anything else that is no text is refused.
 */
import { refuse } from '../../base/errors.ts';
import { noneLeftOut, type LeftOut } from '../../base/left-out.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { readCsvColumn } from './csv-rows.ts';
import { getDataFormat, isTokenFile } from './dataset-files.ts';
import { readJsonLines, readJsonValues, type PlacedValue } from './json-values.ts';
import { readParquetColumn } from './parquet.ts';
import { streamText } from './text.ts';

/** The JSON field or column with the text, unless another is given. */
export const defaultTextField = 'text';

/** A piece of a document. The pieces of a document are its text when they are joined. */
export interface DocumentPart {
  readonly text: string;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface ReadOptions {
  readonly field?: string | undefined;
  readonly signal?: AbortSignalLike | undefined;
  /** Called with the bytes of the file read so far. */
  readonly onBytes?: ((done: number) => void) | undefined;
  /** Counts what is left out. */
  readonly leftOut?: LeftOut;
}

/** A record of a file: its field, or undefined if it has none. */
interface FieldValue {
  readonly value: unknown;
  readonly line: number;
}

/**
 * Yields the documents of a file in parts: one document per line of .jsonl, item of .json, row of .csv, .tsv
 * and .parquet; any other file is one document. Refuses what the readers of the formats refuse.
 */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<DocumentPart> {
  const { field = defaultTextField, leftOut = { ...noneLeftOut } } = options;
  if (isTokenFile(path)) refuse('data/tokens-not-text', { path });
  const format = getDataFormat(path);
  const text = (): AsyncGenerator<string> => streamText(path, options);
  if (format === '.parquet') {
    const values = readParquetColumn(path, field, options);
    yield* selectTexts(path, field, values, { leftOut, unit: 'row' });
  } else if (format === '.csv' || format === '.tsv') {
    const rows = readCsvColumn(path, text(), { column: field, delimiter: format === '.csv' ? ',' : '\t' });
    for await (const row of rows) {
      if (row.text === '') leftOut.empty++;
      else yield { text: row.text, isFirst: true, isLast: true };
    }
  } else if (format === '.jsonl' || format === '.ndjson') {
    yield* selectTexts(path, field, getFields(path, field, readJsonLines(path, text())), { leftOut });
  } else if (format === '.json') {
    yield* selectTexts(path, field, getFields(path, field, readJsonValues(path, text())), { leftOut });
  } else yield* markParts(text());
}

/** Marks the parts of one document. A text without characters is no document. */
async function* markParts(parts: AsyncIterable<string>): AsyncGenerator<DocumentPart> {
  let previous: string | undefined;
  let isFirst = true;
  for await (const part of parts) {
    if (previous !== undefined) {
      yield { text: previous, isFirst, isLast: false };
      isFirst = false;
    }
    previous = part;
  }
  if (previous !== undefined) yield { text: previous, isFirst, isLast: true };
}

/**
 * The field of each record: an object, or a text itself. If no record has the field, refuses `data/no-column`
 * with the fields that there are.
 */
async function* getFields(
  path: string,
  field: string,
  values: AsyncIterable<PlacedValue>,
): AsyncGenerator<FieldValue> {
  const found = new Set<string>();
  let hasField = false;
  let hasRecord = false;
  for await (const { value, line } of values) {
    hasRecord = true;
    if (typeof value === 'string') {
      hasField = true;
      yield { value, line };
      continue;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return refuse('data/bad-line', { path, line, why: `it is ${describeType(value)}, not an object` });
    if (Object.hasOwn(value, field)) hasField = true;
    else for (const name of Object.keys(value)) found.add(name);
    yield { value: (value as Readonly<Record<string, unknown>>)[field], line };
  }
  if (hasRecord && !hasField) refuse('data/no-column', { path, column: field, found: [...found] });
}

/** The records whose field is text, as documents. Lone surrogates, which JSON can escape, become U+FFFD. */
async function* selectTexts(
  path: string,
  field: string,
  values: AsyncIterable<FieldValue>,
  { leftOut, unit }: { readonly leftOut: LeftOut; readonly unit?: 'row' },
): AsyncGenerator<DocumentPart> {
  for await (const { value, line } of values) {
    if (value === undefined) leftOut.missing++;
    else if (value === null || value === '') leftOut.empty++;
    else if (typeof value === 'string') yield { text: value.toWellFormed(), isFirst: true, isLast: true };
    else {
      const why = `its "${field}" is ${describeType(value)}, not text`;
      refuse('data/bad-line', { path, line, why, ...(unit && { unit }) });
    }
  }
}

function describeType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
