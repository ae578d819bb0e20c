/** @file Reads the rows of CSV and TSV files, whose first row names the columns. */
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { refuse } from '../../base/errors.ts';
import { AppError } from '../../base/errors.ts';

/** A longer field is more likely a quotation mark without its partner than a document. */
const maxRowLength = 2 ** 28;

export interface CsvRow {
  readonly text: string;
  /** The line that the row ends on, from 1. */
  readonly line: number;
}

/**
 * Yields the field `column` of every row. Refuses `data/no-column`, and `data/bad-line` for rows with another
 * number of fields than the first and for quotation marks without a partner.
 */
export async function* readCsvColumn(
  path: string,
  parts: AsyncIterable<string>,
  { column, delimiter }: { readonly column: string; readonly delimiter: ',' | '\t' },
): AsyncGenerator<CsvRow> {
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    bom: true,
    info: true,
    skip_empty_lines: true,
    max_record_size: maxRowLength,
  });
  const source = Readable.from(parts);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let index: number | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<ParsedRow>) {
      if (index === undefined) {
        index = record.indexOf(column);
        if (index < 0) refuse('data/no-column', { path, column, found: record });
        continue;
      }
      yield { text: record[index]!, line: info.lines };
    }
  } catch (error) {
    if (error instanceof AppError || !(error instanceof CsvError)) throw error;
    const line = typeof error['lines'] === 'number' ? error['lines'] : 0;
    refuse('data/bad-line', { path, line, why: describeCsvError(error) });
  } finally {
    source.destroy();
    parser.destroy();
  }
}

interface ParsedRow {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function describeCsvError(error: CsvError): string {
  switch (error.code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH':
      return 'it has another number of fields than the first row';
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quotation mark has no partner';
    case 'CSV_MAX_RECORD_SIZE':
      return `it is longer than ${maxRowLength} characters; a quotation mark may have no partner`;
    default:
      return error.message;
  }
}
