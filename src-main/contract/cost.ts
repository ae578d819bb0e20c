/**
 * @file What is asked and answered about cost: the book of devices and prices checked as it is read, a
 * person's own prices, and the facts that an estimate stands on.
 */
import { z } from 'zod';
import type { DeviceKind } from '../base/device.ts';
import { assumptionDefaults, assumptionOptions, type Assumptions } from '../cost/assumptions.ts';
import type { DeviceBook } from '../cost/book.ts';
import type { Subject } from '../cost/programs.ts';
import type { Measured, Target } from '../cost/speed.ts';
import { deviceChoice, growthRequest, path, trainingSettings } from './schema.ts';

export type { Estimate } from '../cost/estimate.ts';
export type { CostRecord } from '../cost/record.ts';

const positive = z.number().positive();
const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);

/** resources/devices.json. */
export const deviceBook: z.ZodType<DeviceBook> = z
  .object({
    devices: z.array(
      z
        .object({
          id: z.string().min(1),
          name: z.string().min(1),
          kind: z.enum(['gpu', 'cpu']),
          match: z.array(z.array(z.string().min(1)).min(1)).min(1),
          peaks: z
            .object({
              float32: positive.optional(),
              tf32: positive.optional(),
              bfloat16: positive.optional(),
              float16: positive.optional(),
            })
            .strict() as z.ZodType<DeviceBook['devices'][number]['peaks']>,
          memory: positive.nullable(),
          bandwidth: positive.nullable(),
          power: positive,
          source: z.string().min(1),
        })
        .strict(),
    ),
    prices: z.array(
      z
        .object({
          device: z.string(),
          provider: z.string().min(1),
          terms: z.string().min(1),
          hourly: positive,
          source: z.url(),
          date: day,
        })
        .strict(),
    ),
  })
  .strict()
  .refine(
    ({ devices, prices }) => prices.every((p) => devices.some((d) => d.id === p.device)),
    'a price names a device that is not in the book',
  );

const bounded = Object.fromEntries(
  assumptionOptions.map((o) => [o.id, o.kind === 'number' ? z.number().min(o.min).max(o.max) : z.never()]),
) as unknown as { readonly [K in keyof Assumptions]: z.ZodType<number> };
/** Assumptions that a person changed; what is not named stays. */
export const assumptionChange = z.object(bounded).partial() as z.ZodType<Partial<Assumptions>>;
const measuredSpeed: z.ZodType<Measured> = z.object({
  product: positive,
  slack: z.number().min(0),
  stream: positive,
  functions: positive,
  nodeSeconds: positive,
  time: z.string(),
  threads: z.number().int().positive(),
});

/** What the home folder keeps: changed assumptions and measured speeds, by device. */
export interface CostHome {
  readonly assumptions: Partial<Assumptions>;
  readonly measured: Readonly<Record<string, Measured>>;
}

/**
 * Its file as it is read: every entry by itself, so that one that cannot be is left out and loses no other.
 */
export function costHomeIn({ assumptions, measured }: Readonly<Record<string, unknown>> = {}): CostHome {
  const sound = <T>(entries: unknown, of: (key: string) => z.ZodType<T> | undefined): Record<string, T> =>
    Object.fromEntries(
      Object.entries(typeof entries === 'object' && entries !== null ? entries : {}).flatMap(
        ([key, value]) => {
          const read = of(key)?.safeParse(value);
          return read?.success ? [[key, read.data]] : [];
        },
      ),
    );
  return {
    assumptions: sound(assumptions, (key) =>
      Object.hasOwn(bounded, key) ? bounded[key as keyof Assumptions] : undefined,
    ),
    measured: sound(measured, () => measuredSpeed),
  };
}

/** Everything an estimate needs beside the model and the settings. */
export interface CostFacts {
  readonly book: DeviceBook;
  /** This computer's devices, the one that `auto` takes first. */
  readonly targets: readonly Target[];
  readonly assumptions: Assumptions;
  /** Parameters of what the checkpoint was grown from. */
  readonly sourceParameters?: number;
  /** That model, where the checkpoint's record tells: what it learns from where it distils. */
  readonly source?: NonNullable<Subject['source']>;
  /** Bytes free where runs are kept. */
  readonly free: number;
}

export const costRequest = z.object({ dir: path.optional() });
export const estimateRequest = z.object({
  dir: path,
  training: trainingSettings,
  grow: growthRequest.optional(),
  assumptions: assumptionChange.optional(),
});
export const measureRequest = z.object({ device: deviceChoice });
export type EstimateAsked = z.infer<typeof estimateRequest>;
/** What an engine found. */
export interface DeviceSpeed {
  readonly device: DeviceKind;
  readonly name: string;
  readonly measured: Measured;
}
/** A measured device, under the name its targets have. */
export interface MeasuredDevice {
  readonly device: string;
  readonly measured: Measured;
}

export const withDefaults = (change: Partial<Assumptions>): Assumptions => ({
  ...assumptionDefaults,
  ...change,
});
