/** @file Reads the documents of a Parquet file: one text column, with one row group in memory at a time. */
import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type FileMetaData } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { compressors } from 'hyparquet-compressors';
import { refuse } from '../../base/errors.ts';
import { readOrRefuse } from '../fs/files.ts';

/**
 * Yields the texts of `column` in row order, without empty ones. Calls `onBytes` with the bytes of the file
 * read so far. Refuses `data/bad-parquet`, `data/no-column`.
 */
export async function* readParquetDocuments(
  path: string,
  column: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const file = await readOrRefuse(path, () => asyncBufferFromFile(path));
  const size = file.byteLength;
  const refuseDamaged = (error: unknown): never =>
    refuse('data/bad-parquet', { path, why: error instanceof Error ? error.message : String(error) });
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
    const rowEnd = row + Number(group.num_rows);
    let rows: Record<string, unknown>[];
    try {
      rows = await parquetReadObjects({
        file,
        metadata,
        columns: [column],
        rowStart: row,
        rowEnd,
        compressors,
      });
    } catch (error) {
      return refuseDamaged(error);
    }
    for (const [j, { [column]: text }] of rows.entries()) {
      if (text === null || text === undefined || text === '') continue;
      if (typeof text !== 'string')
        refuse('data/bad-parquet', { path, why: `row ${row + j} of its column ${column} is not text` });
      yield text.toWellFormed();
    }
    row = rowEnd;
    onBytes(Math.floor((size * (i + 1)) / groups.length));
  }
}
