/**
 * @file What a stream of training text reads: stream.json in the folder of the stream. It is written once, so that a
 * run reads the same commit, files and rows for as long as it lives.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { deriveKey, permuteIndex } from '../../base/random.ts';
import type { TextFilter } from '../../base/text-filter.ts';
import type { HubFile } from '../../model/hub.ts';

/** Rows at the start of a row group that are evaluated on and never trained on. */
export interface HeldOutRows {
  /** Index in `files`. */
  readonly file: number;
  readonly group: number;
  readonly rows: number;
}

export interface StreamSource {
  readonly version: 1;
  /** As a person names it. */
  readonly name: string;
  /** With `datasets/`. */
  readonly repo: string;
  readonly commit: string;
  /** The Parquet files of the split, sorted by name. */
  readonly files: readonly HubFile[];
  readonly column: string;
  readonly seed: number;
  readonly filter: TextFilter;
  /** Hash of the tokenizer, and rows of the embedding. */
  readonly tokenizer: string;
  readonly vocabSize: number;
  /** A block ends with the document that reaches so many tokens. */
  readonly blockTokens: number;
  readonly heldOut: HeldOutRows | null;
}

const count = z.number().int().nonnegative();

export const streamSource: z.ZodType<StreamSource> = z.object({
  version: z.literal(1),
  name: z.string(),
  repo: z.string(),
  commit: z.string(),
  files: z.array(z.object({ path: z.string(), bytes: count, etag: z.string(), sha256: z.boolean() })).min(1),
  column: z.string(),
  seed: count,
  filter: z.object({
    minCharacters: count,
    maxCharacters: count,
    dedupe: z.boolean(),
    languages: z.array(z.string()),
  }),
  tokenizer: z.string(),
  vocabSize: count,
  blockTokens: count.min(1),
  heldOut: z.object({ file: count, group: count, rows: count }).nullable(),
});

/** Changes whenever the tokens of the stream do. */
export const hashSource = (source: StreamSource): string =>
  createHash('sha256').update(JSON.stringify(source)).digest('hex');

/** Bytes of a token in a block. */
export const widthOf = ({ vocabSize }: Pick<StreamSource, 'vocabSize'>): 2 | 4 =>
  vocabSize > 65_536 ? 4 : 2;

/**
 * A row of the stream. `file` and `group` count in the order of the epoch, `row` in the row group. Each epoch reads
 * all files in another order, and in each file its row groups in another order: functions of the seed.
 */
export interface StreamPosition {
  readonly epoch: number;
  readonly file: number;
  readonly group: number;
  readonly row: number;
}

export const streamStart: StreamPosition = { epoch: 0, file: 0, group: 0, row: 0 };

export const streamPosition: z.ZodType<StreamPosition> = z.object({
  epoch: count,
  file: count,
  group: count,
  row: count,
});

/** The index in `files` of the file that an epoch reads as number `at`. */
export const fileAt = ({ seed, files }: StreamSource, epoch: number, at: number): number =>
  permuteIndex(deriveKey(seed, 'files', epoch), at, files.length);

/** The row group of `file` that an epoch reads as number `at`, of `groups`. */
export const groupAt = (
  { seed }: StreamSource,
  epoch: number,
  file: number,
  at: number,
  groups: number,
): number => permuteIndex(deriveKey(seed, 'row groups', epoch, file), at, groups);
