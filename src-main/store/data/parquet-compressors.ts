/**
 * @file The decompressors of Parquet pages. Those of Node read gzip and Brotli: a damaged gzip page kept the one in
 * JavaScript in an endless loop.
 */
import { brotliDecompressSync, gunzipSync, inflateRawSync } from 'node:zlib';
import { compressors } from 'hyparquet-compressors';
import { createError } from '../../base/errors.ts';

/** The pages of a column in a row group may unpack to this many bytes together: they are held in memory. */
export const maxGroupBytes = 2 ** 31;
/** A page may unpack to this many bytes, and beyond that to this many times its size. */
const maxPageBytes = 2 ** 26;
const maxPageRatio = 1000;

type Decompress = (typeof compressors)[keyof typeof compressors];

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

const all: typeof compressors = {
  ...compressors,
  // Some writers leave out the header of gzip.
  GZIP: (input, outputLength) =>
    (isGzip(input) ? gunzipSync : inflateRawSync)(input, { maxOutputLength: Math.max(1, outputLength) }),
  BROTLI: (input, outputLength) =>
    brotliDecompressSync(input, { maxOutputLength: Math.max(1, outputLength) }),
};

/**
 * Decompressors that together give at most `maxGroupBytes`: the metadata of a file may be wrong. They throw
 * `data/large-row-group`.
 */
export function limitCompressors(path: string, index: number): typeof compressors {
  let total = 0;
  const limited = Object.entries(all).map(([name, decompress]) => {
    const limit: Decompress = (input, outputLength) => {
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
