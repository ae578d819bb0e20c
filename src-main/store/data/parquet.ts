/** @file The documents of a Parquet file: one column of text, a row group in memory at a time. */
import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type FileMetaData } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { compressors } from 'hyparquet-compressors';
import { refuse } from '../../base/errors.ts';
import { reading } from '../fs/files.ts';

/**
 * Rows with text, in order; `onBytes` hears how much of the file is done. Refuses `data/bad-parquet`,
 * `data/no-column`.
 */
export async function* parquetDocuments(
  path: string,
  column: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const file = await reading(path, () => asyncBufferFromFile(path));
  const size = file.byteLength;
  const damaged = (error: unknown): never =>
    refuse('data/bad-parquet', { path, why: error instanceof Error ? error.message : String(error) });
  let metadata: FileMetaData;
  try {
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    return damaged(error);
  }
  const columns = parquetSchema(metadata).children.map((child) => child.element.name);
  if (!columns.includes(column)) refuse('data/no-column', { path, column, found: columns });
  let row = 0;
  for (const [i, group] of metadata.row_groups.entries()) {
    if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    const rows = Number(group.num_rows);
    let read: Record<string, unknown>[];
    try {
      read = await parquetReadObjects({
        file,
        metadata,
        columns: [column],
        rowStart: row,
        rowEnd: row + rows,
        compressors,
      });
    } catch (error) {
      return damaged(error);
    }
    for (const [j, { [column]: text }] of read.entries()) {
      if (text === null || text === undefined || text === '') continue;
      if (typeof text !== 'string')
        refuse('data/bad-parquet', { path, why: `row ${row + j} of its column ${column} is not text` });
      yield text.toWellFormed();
    }
    row += rows;
    onBytes(Math.floor((size * (i + 1)) / metadata.row_groups.length));
  }
}
