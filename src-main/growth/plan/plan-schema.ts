/** @file The schemas of a plan: a plan file, and the stages in growth.json. */
import { z } from 'zod';
import type { Json } from '../../base/json.ts';
import { promiseKinds } from '../../model/promise.ts';
import { weightDTypes } from '../../tensor/dtype.ts';

/** The format version of plans. */
export const planVersion = 3;

// As in contract/schema.ts: whichever module loads first must set it.
z.config({ jitless: true });
const size = z.number().int().positive();
const index = z.number().int().min(0);
const number = z.number();
const word = z.string().max(1000);
const sizes = z.record(word, size);
const part = z.looseObject({ axis: word, entry: index });
const fill = z.enum(['zero', 'one', 'draw', 'mean', 'between']);
const piece = z.object({ at: index, from: index, length: size, copy: index });
const factor = z.looseObject({ why: word, by: number, part: part.optional(), shared: word.optional() });
const tensor = z.looseObject({
  name: word,
  source: word,
  second: word.optional(),
  kind: word,
  layout: word,
  from: z.array(size),
  to: z.array(size),
  dtype: z.enum(weightDTypes),
  factors: z.array(factor),
  fills: z.record(word, fill),
  partFills: z.array(z.looseObject({ axis: word, part, fill })).optional(),
  std: number,
  spread: z.enum(['symmetric', 'diagonal']),
  noise: number.nullable(),
  projection: number.nullable(),
  perturbation: number,
  zeroOutput: z.boolean(),
  newLayer: z.literal(true).optional(),
  slice: z.looseObject({ axis: word, at: index, of: size }).optional(),
  equalRows: size.optional(),
  offset: number,
  lrScale: number.positive(),
  gradScale: number,
});
const config = z.record(z.string(), z.custom<Json>());
const request = z.looseObject({
  method: word,
  to: z.record(word, size),
  options: z.record(word, z.union([number, word, z.null()])),
  seed: index,
  dtype: z.enum(['keep', ...weightDTypes]),
});
const map = z.looseObject({
  from: size,
  to: size,
  copies: index,
  pieces: z.array(piece),
  counts: z.array(index).optional(),
});
/** One growth: how every weight of the grown model is made. */
export const planStage = z.looseObject({
  version: z.literal(planVersion),
  family: word,
  from: sizes,
  to: sizes,
  config,
  request,
  maps: z.record(word, map),
  layers: z.array(z.object({ source: index, identity: z.boolean() })),
  tensors: z.array(tensor).min(1),
  promise: z.object({ kind: z.enum(promiseKinds), why: z.array(z.string()) }),
  dead: z.array(z.looseObject({ axis: word, why: z.string() })),
  notes: z.array(z.string()),
  parameters: z.object({
    before: index,
    after: index,
    active: z.object({ before: index, after: index }).optional(),
  }),
});

/** The checkpoint that a plan was made for. */
export const planSource = z.looseObject({
  name: z.string(),
  family: word,
  dims: sizes,
  config,
  tensors: z.array(z.looseObject({ name: word, dtype: z.enum(weightDTypes) })),
  fingerprint: word.nullable(),
});

/** A plan with its source. */
export const planFile = z.looseObject({
  format: z.literal('cambium-plan'),
  version: z.literal(planVersion),
  stages: z.array(planStage).min(1).max(64),
  source: planSource,
});
