/** @file The schemas of answers about text: tokens of documents, and previews of data. */
import '../no-eval.ts';
import { z } from 'zod';
import { leftOutSchema } from '../../base/left-out.ts';
import type { PreviewEvent, TokenizeEvent } from '../text.ts';
import { count, number, text, texts } from './shared-schemas.ts';
import { exactly } from './exact.ts';

const ids = z.array(count);

export const tokenizeEvent = exactly<TokenizeEvent>()(
  z.union([
    z.object({
      type: z.literal('document'),
      document: z.object({ file: text.nullable(), ids, tokens: texts, appended: ids }),
    }),
    z.object({ type: z.literal('done'), documents: count, leftOut: leftOutSchema, notes: texts }),
  ]),
);

const itemPreview = z.object({
  path: text,
  files: count,
  documents: count,
  tokens: count,
  bytes: count,
  share: number,
  leftOutFiles: z.array(z.object({ why: text, names: texts })),
});

export const previewEvent = exactly<PreviewEvent>()(
  z.union([
    z.object({ type: z.literal('bytes'), done: number, of: number }),
    z.object({
      type: z.literal('done'),
      preview: z.object({
        tokenizer: z.object({ type: text, vocabSize: count }),
        files: count,
        documents: count,
        tokens: count,
        bytes: count,
        leftOut: leftOutSchema,
        items: z.array(itemPreview),
        first: z.object({ file: text, text, ids, tokens: texts }),
        isPartial: z.boolean(),
        notes: texts,
      }),
    }),
  ]),
);
