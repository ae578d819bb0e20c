/** @file Parquet files for tests. */
import { parquetWriteBuffer } from 'hyparquet-writer';

/** A Parquet file with the columns `id` and `text`, in row groups of `groupRows` rows. */
export const makeParquet = (texts: readonly (string | null)[], groupRows: number): Buffer =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: texts.map((_, i) => i), type: 'INT32' },
        { name: 'text', data: [...texts], type: 'STRING' },
      ],
      rowGroupSize: groupRows,
    }),
  );

/** `count` different texts of some words. */
export const makeTexts = (count: number, name = 'text'): readonly string[] =>
  Array.from(
    { length: count },
    (_, i) => `The ${name} number ${i} has ${(i * 7919) % 1009} things in the hat.`,
  );
