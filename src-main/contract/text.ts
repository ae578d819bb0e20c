/** @file The requests and results that show what training reads: the tokens of texts, and a summary of data. */
import { z } from 'zod';
import type { LeftOut } from '../base/left-out.ts';
import { field, hasWeightForEach, nonNegativeInteger, path, textSource } from './schema.ts';

const positiveInteger = nonNegativeInteger.min(1);

/** `checkpoint` is the folder of a checkpoint or of a run. `limit` is the most documents that are read. */
export const tokenizeRequest = z
  .object({
    checkpoint: path,
    data: z.array(path).min(1).optional(),
    text: z.string().max(50_000_000).optional(),
    field: field.optional(),
    limit: positiveInteger.optional(),
  })
  .refine(({ data, text }) => (data === undefined) !== (text === undefined), 'give either data or a text');

/**
 * `weights` are sampling weights, one for each of `data`. With `limit`, only so many documents of each are read;
 * without it, all are tokenized, and the tokens are kept for the training.
 */
export const previewRequest = z
  .object({
    checkpoint: path,
    ...textSource,
    limit: positiveInteger.optional(),
  })
  .refine(...hasWeightForEach);

export const countRequest = z.object({
  checkpoint: path,
  data: z.array(path).min(1),
  field: field.optional(),
  atLeast: positiveInteger,
});

/** A document as a model reads it. */
export interface TokenizedDocument {
  /** The file it comes from; null for a text of the request. */
  readonly file: string | null;
  /** With the tokens of the post-processor, as Python's tokenizers gives them. */
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
  /** The end-of-text token that training adds, unless the post-processor does. */
  readonly appended: readonly number[];
}

export type TokenizeEvent =
  | { readonly type: 'document'; readonly document: TokenizedDocument }
  | {
      readonly type: 'done';
      readonly documents: number;
      readonly leftOut: Readonly<LeftOut>;
      /** What transformers changes of the tokenizer's files, as sentences. */
      readonly notes: readonly string[];
    };

/** Files of a folder that are not read, with the reason. */
export interface LeftOutFiles {
  readonly why: string;
  readonly names: readonly string[];
}

/** What one item of the data has. */
export interface DataItemPreview {
  readonly path: string;
  readonly files: number;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  /** Its share of the training tokens, by weight or else by size. */
  readonly share: number;
  readonly leftOutFiles: readonly LeftOutFiles[];
}

export interface TextPreview {
  readonly tokenizer: { readonly type: string; readonly vocabSize: number };
  readonly files: number;
  readonly documents: number;
  /** With the tokens around each document. */
  readonly tokens: number;
  /** Size of the text as UTF-8. */
  readonly bytes: number;
  readonly leftOut: Readonly<LeftOut>;
  readonly items: readonly DataItemPreview[];
  /** The beginning of the first document; its last token may be cut. */
  readonly first: {
    readonly file: string;
    readonly text: string;
    readonly ids: readonly number[];
    readonly tokens: readonly string[];
  };
  /** True if only the first documents were read. */
  readonly isPartial: boolean;
  readonly notes: readonly string[];
}

export type PreviewEvent =
  | { readonly type: 'bytes'; readonly done: number; readonly of: number }
  | { readonly type: 'done'; readonly preview: TextPreview };
