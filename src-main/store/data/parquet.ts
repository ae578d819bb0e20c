/** @file Reads a text column of a Parquet file, with one row group in memory at a time. */
import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type FileMetaData } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { compressors } from 'hyparquet-compressors';
import { AppError, createError, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { readOrRefuse } from '../fs/files.ts';

/** The column of a row group may unpack to this many bytes, and have this many rows: it is held in memory. */
const maxGroupBytes = 2 ** 31;
const maxGroupRows = 2 ** 26;
/** A page may unpack to this many bytes, and beyond that to this many times its size. */
const maxPageBytes = 2 ** 26;
const maxPageRatio = 1000;

export interface ParquetOptions {
  readonly signal?: AbortSignalLike | undefined;
  /** Called with the bytes of the file read so far. */
  readonly onBytes?: ((done: number) => void) | undefined;
}

/**
 * Yields `column` of every row, with the number of the row from 1 as its line. Refuses `data/bad-parquet`,
 * `data/no-column`, and `data/large-row-group` when a row group does not fit the memory budget.
 */
export async function* readParquetColumn(
  path: string,
  column: string,
  { signal, onBytes }: ParquetOptions = {},
): AsyncGenerator<{ readonly value: unknown; readonly line: number }> {
  const file = await readOrRefuse(path, () => asyncBufferFromFile(path));
  const size = file.byteLength;
  const refuseDamaged = (error: unknown): never => {
    if (error instanceof AppError) throw error;
    return refuse('data/bad-parquet', { path, why: error instanceof Error ? error.message : String(error) });
  };
  let metadata: FileMetaData;
  try {
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    return refuseDamaged(error);
  }
  const columns = parquetSchema(metadata).children.map((child) => child.element.name);
  if (!columns.includes(column)) refuse('data/no-column', { path, column, found: columns });
  const groups = metadata.row_groups;
  let row = 0;
  for (const [i, group] of groups.entries()) {
    if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    checkGroup(path, i, group, column);
    const rowEnd = row + Number(group.num_rows);
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({
        file,
        metadata,
        columns: [column],
        rowStart: row,
        rowEnd,
        compressors: limitCompressors(path, i),
      });
    } catch (error) {
      return refuseDamaged(error);
    }
    for (const [j, { [column]: value }] of rows.entries()) yield { value: value ?? null, line: row + j + 1 };
    row = rowEnd;
    onBytes?.(Math.floor((size * (i + 1)) / groups.length));
  }
}

type RowGroup = FileMetaData['row_groups'][number];

/** Checks what the metadata says of a row group. */
function checkGroup(path: string, index: number, group: RowGroup, column: string): void {
  const chunk = group.columns.find(({ meta_data: found }) => found?.path_in_schema[0] === column);
  const bytes = Number(chunk?.meta_data?.total_uncompressed_size ?? 0);
  const rows = Number(group.num_rows);
  if (bytes > maxGroupBytes || rows > maxGroupRows)
    refuse('data/large-row-group', { path, index, rows, bytes });
}

/** Decompressors that together give at most `maxGroupBytes`: the metadata of a file may be wrong. */
function limitCompressors(path: string, index: number): typeof compressors {
  let total = 0;
  const limited = Object.entries(compressors).map(([name, decompress]) => {
    const limit: typeof decompress = (input, outputLength) => {
      total += outputLength;
      const isBomb = outputLength > maxPageBytes && outputLength > maxPageRatio * input.length;
      if (total > maxGroupBytes || isBomb)
        throw createError('data/large-row-group', { path, index, rows: 0, bytes: total });
      return decompress(input, outputLength);
    };
    return [name, limit];
  });
  return Object.fromEntries(limited) as typeof compressors;
}
