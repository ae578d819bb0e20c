/** @file Requests and data of cost estimates: devices and prices, assumptions, and what an estimate needs. */
import { z } from 'zod';
import type { DeviceKind } from '../base/device.ts';
import { assumptionDefaults, assumptionOptions, type Assumptions } from '../cost/assumptions.ts';
import type { DeviceBook } from '../cost/book.ts';
import type { Subject } from '../cost/programs.ts';
import type { Measured, Target } from '../cost/speed.ts';
import type { PromiseKind } from '../model/promise.ts';
import { trainingSettingsSchema } from '../train/settings.ts';
import { storedStages } from '../train/stages.ts';
import { deviceChoice, growthRequest, path } from './schema.ts';

export type { Estimate } from '../cost/estimate.ts';
export type { CostRecord } from '../cost/record.ts';

const positive = z.number().positive();
const text = z.string().min(1);
const isoDay = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);

const peaks = z.strictObject({
  float32: positive.optional(),
  tf32: positive.optional(),
  bfloat16: positive.optional(),
  float16: positive.optional(),
}) as z.ZodType<DeviceBook['devices'][number]['peaks']>;

export const deviceFacts = z.strictObject({
  id: text,
  name: text,
  kind: z.enum(['gpu', 'cpu']),
  match: z.array(z.array(text).min(1)).min(1),
  peaks,
  memory: positive.nullable(),
  bandwidth: positive.nullable(),
  power: positive,
  noCuda: text.exactOptional(),
  source: text,
});

export const price = z.strictObject({
  device: z.string(),
  provider: text,
  terms: text,
  hourly: positive,
  // The page links to it.
  source: z.url({ protocol: /^https?$/ }),
  date: isoDay,
});

/** The schema of resources/devices.json. */
export const deviceBook: z.ZodType<DeviceBook> = z
  .strictObject({ devices: z.array(deviceFacts), prices: z.array(price) })
  .refine(
    ({ devices, prices }) => prices.every((p) => devices.some((d) => d.id === p.device)),
    'a price names a device that is not listed',
  );

const assumptionSchemas = Object.fromEntries(
  assumptionOptions.map((o) => [o.id, o.kind === 'number' ? z.number().min(o.min).max(o.max) : z.never()]),
) as unknown as { readonly [K in keyof Assumptions]: z.ZodType<number> };

/** The assumptions that change; the others keep their values. */
export const assumptionChange = z.object(assumptionSchemas).partial() as z.ZodType<Partial<Assumptions>>;

export const measuredSpeed: z.ZodType<Measured> = z.object({
  product: positive,
  slack: z.number().min(0),
  stream: positive,
  functions: positive,
  nodeSeconds: positive,
  time: z.string(),
  threads: z.number().int().positive(),
});

/** What costs.json in the home folder stores: changed assumptions, and measured speeds by device. */
export interface StoredCosts {
  readonly assumptions: Partial<Assumptions>;
  readonly measured: Readonly<Record<string, Measured>>;
}

/** Parses the stored costs entry by entry, so that an invalid entry is dropped and the others are kept. */
export function parseStoredCosts({
  assumptions,
  measured,
}: Readonly<Record<string, unknown>> = {}): StoredCosts {
  return {
    assumptions: parseEntries(assumptions, (key) =>
      Object.hasOwn(assumptionSchemas, key) ? assumptionSchemas[key as keyof Assumptions] : undefined,
    ),
    measured: parseEntries(measured, () => measuredSpeed),
  };
}

/** The valid entries of `entries`, each checked by the schema of its key. */
function parseEntries<T>(
  entries: unknown,
  schemaOf: (key: string) => z.ZodType<T> | undefined,
): Record<string, T> {
  if (typeof entries !== 'object' || entries === null) return {};
  const valid: [string, T][] = [];
  for (const [key, value] of Object.entries(entries)) {
    const parsed = schemaOf(key)?.safeParse(value);
    if (parsed?.success) valid.push([key, parsed.data]);
  }
  return Object.fromEntries(valid);
}

/** What an estimate needs besides the model and the settings. */
export interface CostFacts {
  readonly book: DeviceBook;
  /** The devices of this computer; the first is the one that `auto` chooses. */
  readonly targets: readonly Target[];
  readonly assumptions: Assumptions;
  /** Parameters of the source of a grown checkpoint, and what its growth preserves. */
  readonly sourceParameters?: number;
  readonly growthPromise?: PromiseKind;
  /** The source of a grown checkpoint, which distillation runs too; absent if it is not recorded. */
  readonly source?: NonNullable<Subject['source']>;
  /** Free bytes on the disk of the runs. */
  readonly free: number;
}

export const costRequest = z.object({ dir: path.optional() });
export const estimateRequest = z.object({
  dir: path,
  training: trainingSettingsSchema,
  grow: growthRequest.optional(),
  /** What the run grows into, and when; absent for a run of one stage. */
  stages: storedStages.optional(),
  /** Tokens that the source of a growth was trained on, for the comparison with random weights. */
  sourceTokens: positive.optional(),
  assumptions: assumptionChange.optional(),
});
export const measureRequest = z.object({ device: deviceChoice });
export type EstimateRequest = z.infer<typeof estimateRequest>;

/** The result of an engine's speed test. */
export interface DeviceSpeed {
  readonly device: DeviceKind;
  readonly name: string;
  readonly measured: Measured;
}

/** A measured device under the name of its target. */
export interface MeasuredDevice {
  readonly device: string;
  readonly measured: Measured;
}

/** The defaults with `change` applied. */
export const completeAssumptions = (change: Partial<Assumptions>): Assumptions => ({
  ...assumptionDefaults,
  ...change,
});
