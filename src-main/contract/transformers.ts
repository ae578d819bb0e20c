/** @file What resources/python/compare_logits.py prints. */
import './no-eval.ts';
import { z } from 'zod';

const names = z.array(z.string());

/** Logits of Cambium and of transformers on the same tokens. Losses are means in nats per token. */
const logitComparison = z.object({
  tokens: z.number(),
  maxLogit: z.number(),
  /** Root mean square of the logits of transformers. */
  rmsLogit: z.number(),
  lossCambium: z.number(),
  lossTransformers: z.number(),
  /** Share of positions where both rank the same token first. */
  agreement: z.number(),
  /** Weights that transformers did not find, did not use, or found with another shape. */
  missing: names,
  unexpected: names,
  mismatched: names,
});

export const comparisonAnswer = z.union([
  /** A package that is not installed. */
  z.object({ missing: z.string() }),
  /** Why a model could not be opened. */
  z.object({ error: z.string(), model: z.string() }),
  z.object({
    python: z.string(),
    torch: z.string(),
    transformers: z.string(),
    results: z.array(logitComparison).min(1),
    /** The largest difference of the logits of two models in transformers. */
    between: z.number().optional(),
  }),
]);

export type ComparisonAnswer = z.infer<typeof comparisonAnswer>;
export type LogitComparison = z.infer<typeof logitComparison>;

/**
 * The largest logit difference from the order of sums in float32, for logits with a root mean square of 1.
 * Measured on 43 golden checkpoints and a trained one: at most 2e-5 (docs/input-files.md).
 */
const tolerancePerLogit = 1e-4;

export const toleranceOf = ({ rmsLogit }: LogitComparison): number =>
  tolerancePerLogit * Math.max(1, rmsLogit);

/** Whether both compute the same, with all weights. */
export const agrees = (comparison: LogitComparison): boolean =>
  comparison.maxLogit <= toleranceOf(comparison) &&
  comparison.missing.length === 0 &&
  comparison.mismatched.length === 0;
