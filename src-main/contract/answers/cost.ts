/** @file The schemas of answers about costs. */
import '../no-eval.ts';
import { z } from 'zod';
import { assumptionOptions, type Assumptions } from '../../cost/assumptions.ts';
import type { Estimate } from '../../cost/estimate.ts';
import { rangeSchema } from '../../cost/range.ts';
import { kernelGroups } from '../../cost/speed.ts';
import { parseRecord, type CostRecord } from '../../cost/record.ts';
import { promiseKinds } from '../../model/promise.ts';
import {
  deviceBook,
  deviceFacts,
  measuredSpeed,
  price,
  type CostFacts,
  type MeasuredDevice,
} from '../cost.ts';
import {
  deviceKind,
  fitting,
  modelSettings,
  number,
  precision,
  sizes,
  text,
  texts,
  weightDType,
} from './shared-schemas.ts';
import { exactly } from './exact.ts';

export const assumptions = z.object(
  Object.fromEntries(assumptionOptions.map(({ id }) => [id, number])),
) as unknown as z.ZodType<Assumptions>;

const verdict = z.enum(['fits', 'tight', 'does not fit', 'unknown']);
const basis = z.enum(['measured', 'roofline', 'peak']);

const target = z.object({
  id: text,
  name: text,
  kind: deviceKind,
  here: z.boolean(),
  cores: number,
  memory: number.nullable(),
  facts: deviceFacts.exactOptional(),
  measured: measuredSpeed.exactOptional(),
  kernels: z.partialRecord(precision, z.array(z.enum(kernelGroups))).exactOptional(),
  past: z.array(
    z.object({
      run: text,
      at: text,
      precision,
      basis: basis.exactOptional(),
      time: number,
      memory: number.nullable(),
      corrected: number,
    }),
  ),
});

/** The model that distillation runs beside the trained one. */
const source = z.object({
  family: text,
  dims: sizes,
  settings: modelSettings,
  tensors: z.array(z.object({ name: text, dtype: weightDType })).exactOptional(),
  added: texts.exactOptional(),
  widened: texts.exactOptional(),
});

export const costFacts = exactly<CostFacts>()(
  z.object({
    book: deviceBook,
    targets: z.array(target),
    assumptions,
    sourceParameters: number.exactOptional(),
    growthPromise: z.enum(promiseKinds).exactOptional(),
    source: source.exactOptional(),
    free: number,
  }),
);

const deviceEstimate = z.object({
  target: target.pick({ id: true, name: true, kind: true, here: true, memory: true }),
  memory: z.object({ parts: z.array(z.object({ what: text, bytes: number })), total: rangeSchema }),
  verdict,
  alternatives: z.array(fitting).exactOptional(),
  seconds: rangeSchema.exactOptional(),
  tokensPerSecond: rangeSchema.exactOptional(),
  step: z.object({ seconds: number, plain: number, basis }).exactOptional(),
  basis: text,
  record: text.exactOptional(),
  energy: rangeSchema.exactOptional(),
  carbon: rangeSchema.exactOptional(),
  watts: number.exactOptional(),
});

export const estimate = exactly<Estimate>()(
  z.object({
    parameters: number,
    steps: number,
    tokens: number,
    flops: z.object({ perToken: number, total: number, rule: number }),
    disk: z.object({ perSave: number, kept: number, exported: number, total: number }),
    here: z.array(deviceEstimate),
    offers: z.array(
      z.object({
        device: text,
        name: text,
        own: z.boolean(),
        price: price.nullable(),
        words: text,
        seconds: rangeSchema,
        money: rangeSchema,
        verdict,
      }),
    ),
    scratch: z
      .object({
        tokens: rangeSchema,
        flops: rangeSchema,
        seconds: rangeSchema.exactOptional(),
        money: rangeSchema.exactOptional(),
        assumption: text,
      })
      .exactOptional(),
    scratchRefusal: text.exactOptional(),
    stages: z
      .array(
        z.object({ parameters: number, tokens: number, flops: number, seconds: rangeSchema.exactOptional() }),
      )
      .exactOptional(),
  }),
);

export const measuredDevice = exactly<MeasuredDevice>()(z.object({ device: text, measured: measuredSpeed }));

/** The schema of estimate.json, of any version. */
export const costRecord = z
  .unknown()
  .transform(parseRecord)
  .refine((record) => record !== null, 'is no record of costs') as unknown as z.ZodType<CostRecord>;
