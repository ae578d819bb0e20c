/** @file Reads columns of a Parquet file, with one row group in memory at a time. */
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
  type SchemaElement,
} from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { z } from 'zod';
import { AppError, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { readOrRefuse } from '../fs/files.ts';
import { limitCompressors, maxGroupBytes } from './parquet-compressors.ts';

/** A row group may have this many rows: its column is held in memory. */
const maxGroupRows = 2 ** 26;

/** What is used of the metadata. The library takes fields that are missing for granted. */
const checkedMetadata = z.object({
  schema: z.array(z.object({ name: z.string() })).min(1),
  row_groups: z.array(
    z.object({
      num_rows: z.bigint().nonnegative(),
      columns: z.array(
        z.object({
          meta_data: z
            .object({ path_in_schema: z.array(z.string()).min(1), total_uncompressed_size: z.bigint() })
            .optional(),
        }),
      ),
    }),
  ),
});

export interface ParquetOptions {
  readonly signal?: AbortSignalLike | undefined;
  /** Called with the bytes of the file read so far. */
  readonly onBytes?: ((done: number) => void) | undefined;
}

/** A Parquet file with its metadata read. */
export interface ParquetFile {
  /** The columns in their order, with their types. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Rows of each row group. */
  readonly groupRows: readonly number[];
  /** The values of a column in a row group. Refuses `data/no-column`, `data/large-row-group`, `data/bad-parquet`. */
  readColumn(group: number, column: string): Promise<readonly unknown[]>;
  /** The first `count` rows of the file, as values by column. */
  readRows(count: number): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Reads the metadata of a Parquet file; `path` names it in errors. Refuses `data/bad-parquet`. */
export async function openParquet(path: string, file: AsyncBuffer): Promise<ParquetFile> {
  const refuseDamaged = (error: unknown): never => {
    if (error instanceof AppError) throw error;
    return refuse('data/bad-parquet', { path, why: error instanceof Error ? error.message : String(error) });
  };
  const { metadata, columns } = await readMetadata(file).catch(refuseDamaged);
  const groups = metadata.row_groups;
  const groupRows = groups.map((group) => Number(group.num_rows));
  return {
    columns,
    groupRows,
    async readColumn(index, column) {
      const names = columns.map(({ name }) => name);
      if (!names.includes(column)) refuse('data/no-column', { path, column, found: names });
      checkGroup(path, index, groups[index]!, column);
      const rowStart = groupRows.slice(0, index).reduce((sum, rows) => sum + rows, 0);
      const rows = await parquetReadObjects({
        file,
        metadata,
        columns: [column],
        rowStart,
        rowEnd: rowStart + groupRows[index]!,
        compressors: limitCompressors(path, index),
      }).catch(refuseDamaged);
      return rows.map(({ [column]: value }) => value ?? null);
    },
    async readRows(count) {
      const rowEnd = Math.min(count, groupRows[0] ?? 0);
      if (rowEnd === 0) return [];
      for (const { name } of columns) checkGroup(path, 0, groups[0]!, name);
      const compressors = limitCompressors(path, 0);
      return parquetReadObjects({ file, metadata, rowStart: 0, rowEnd, compressors }).catch(refuseDamaged);
    },
  };
}

async function readMetadata(
  file: AsyncBuffer,
): Promise<{ readonly metadata: FileMetaData; readonly columns: ParquetFile['columns'] }> {
  const metadata = await parquetMetadataAsync(file);
  const [issue] = checkedMetadata.safeParse(metadata).error?.issues ?? [];
  if (issue) throw new Error(`its metadata, ${issue.path.join('.')}: ${issue.message}`);
  const columns = parquetSchema(metadata).children.map(({ element }) => ({
    name: element.name,
    type: describeType(element),
  }));
  return { metadata, columns };
}

/** The type of a column in words. */
function describeType({ type, logical_type: logical, converted_type: converted }: SchemaElement): string {
  if (type === undefined) return converted === 'LIST' || logical?.type === 'LIST' ? 'list' : 'struct';
  return (logical?.type ?? converted ?? type).toLowerCase().replace('utf8', 'string');
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
  const { columns, groupRows, readColumn } = await openParquet(path, file);
  const names = columns.map(({ name }) => name);
  if (!names.includes(column)) refuse('data/no-column', { path, column, found: names });
  let line = 1;
  for (const i of groupRows.keys()) {
    if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    for (const value of await readColumn(i, column)) yield { value, line: line++ };
    onBytes?.(Math.floor((file.byteLength * (i + 1)) / groupRows.length));
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
