/**
 * @file estimate.json of a run: the estimate that it began with, its price with source and time, and the actual
 * figures. The estimate is written once and never computed again.
 */
import { z } from 'zod';
import { deviceKinds, type DeviceKind } from '../base/device.ts';
import { precisions, type Precision } from '../train/precision.ts';
import type { PowerSource } from '../train/run.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import type { Basis, Ratio } from './calibration.ts';
import type { Estimate } from './estimate.ts';
import { rangeSchema, type Range } from './range.ts';

/** US dollars an hour of the device, or a kilowatt-hour of electricity, when the run began. */
export interface PriceAtStart {
  readonly value: number;
  readonly unit: 'hour' | 'kWh';
  readonly source: string;
  readonly time: string;
}

/** The estimate before the run. The `uncorrected` values leave out what earlier runs taught. */
export interface RunEstimate {
  readonly stepSeconds: number;
  readonly uncorrectedStepSeconds: number;
  readonly basis?: Basis;
  readonly seconds: Range;
  /** Bytes. */
  readonly memory: number;
  readonly uncorrectedMemory: number;
  /** Kilowatt-hours. */
  readonly energy?: Range;
  /** US dollars. */
  readonly cost?: Range;
  /** Assumed power while training. */
  readonly watts?: number;
}

/** The actual figures, all sessions together. */
export interface RunActuals {
  readonly steps: number;
  readonly tokens: number;
  /** Seconds on the device. */
  readonly seconds: number;
  /** Median of the steps after the first few. */
  readonly stepSeconds: number;
  /** Peak in bytes; 0 if unknown. */
  readonly memory: number;
  /** Kilowatt-hours. */
  readonly energy: number | null;
  readonly powerSource: PowerSource | null;
  /** US dollars. */
  readonly cost: number | null;
  readonly time: string;
  /** A session ran with other settings than the estimate: the figures count as spent, but teach nothing. */
  readonly hasOtherSettings?: true;
}

/** Settings that change a step's time or memory; a resume may change them to save memory. */
const shapeSettings = [
  'precision',
  'microBatch',
  'gradAccum',
  'contextLength',
  'activationCheckpointing',
] as const;
type Shape = Pick<TrainingSettings, (typeof shapeSettings)[number]>;

export interface CostRecord {
  readonly version: 2;
  readonly time: string;
  readonly device: string;
  readonly kind: DeviceKind;
  readonly precision: Precision;
  readonly shape?: Shape;
  readonly estimate: RunEstimate | null;
  readonly price: PriceAtStart | null;
  readonly assumptions: Assumptions;
  readonly actual?: RunActuals;
}

export const costFile = 'estimate.json';

const schema = z.looseObject({
  version: z.literal(2),
  time: z.string(),
  device: z.string(),
  kind: z.enum(deviceKinds),
  precision: z.enum(precisions as [Precision, ...Precision[]]),
  shape: z.looseObject({}).optional(),
  estimate: z
    .looseObject({
      stepSeconds: z.number(),
      uncorrectedStepSeconds: z.number(),
      seconds: rangeSchema,
      memory: z.number(),
      uncorrectedMemory: z.number(),
      energy: rangeSchema.optional(),
      cost: rangeSchema.optional(),
    })
    .nullable(),
  price: z
    .object({ value: z.number(), unit: z.enum(['hour', 'kWh']), source: z.string(), time: z.string() })
    .nullable(),
  assumptions: z.looseObject({ pueOwn: z.number() }),
  actual: z
    .looseObject({ steps: z.number(), tokens: z.number(), seconds: z.number(), stepSeconds: z.number() })
    .optional(),
});

/** The record in a file's JSON, or null if it holds none. Version 1 is translated. */
export function parseRecord(json: unknown): CostRecord | null {
  const isVersion1 =
    typeof json === 'object' && json !== null && (json as { version?: unknown }).version === 1;
  const parsed = schema.safeParse(isVersion1 ? translate(json as Fields) : json);
  return parsed.success ? (parsed.data as unknown as CostRecord) : null;
}

type Fields = Readonly<Record<string, unknown>>;

/** Version 1 to version 2: new names, and the settings of `shape` as in settings.json of version 2. */
function translate({ told, came, shape, ...rest }: Fields): Fields {
  return {
    ...rest,
    version: 2,
    ...(shape ? { shape: rename(shape, shapeNames) } : {}),
    estimate: told ? rename(told, estimateNames) : null,
    ...(came ? { actual: rename(came, actualNames) } : {}),
  };
}
const shapeNames = {
  batch: 'microBatch',
  accumulate: 'gradAccum',
  sequence: 'contextLength',
  recompute: 'activationCheckpointing',
};
const estimateNames = {
  plainStepSeconds: 'uncorrectedStepSeconds',
  plainMemory: 'uncorrectedMemory',
  money: 'cost',
};
const actualNames = { power: 'powerSource', money: 'cost', unlike: 'hasOtherSettings' };

const rename = (fields: unknown, names: Readonly<Record<string, string>>): Fields =>
  Object.fromEntries(
    Object.entries(fields as Fields).map(([key, value]) => [
      Object.hasOwn(names, key) ? names[key]! : key,
      value,
    ]),
  );

export interface RecordContext {
  readonly assumptions: Assumptions;
  /** The correction of memory by earlier runs. */
  readonly memoryCorrection: number;
  readonly settings: TrainingSettings;
  readonly time: string;
}

/** The record that a run begins with; undefined if there is no estimate for this computer. */
export function createRecord(
  estimate: Estimate,
  { assumptions, memoryCorrection, settings, time }: RecordContext,
): CostRecord | undefined {
  const here = estimate.here[0];
  if (!here) return undefined;
  const own = estimate.offers.find((offer) => offer.own && offer.device === here.target.id);
  const price: PriceAtStart =
    assumptions.ownPrice > 0
      ? { value: assumptions.ownPrice, unit: 'hour', source: 'your price', time }
      : { value: assumptions.tariff, unit: 'kWh', source: 'your tariff', time };
  const runEstimate: RunEstimate | null =
    here.seconds && here.step
      ? {
          stepSeconds: here.step.seconds,
          uncorrectedStepSeconds: here.step.plain,
          basis: here.step.basis,
          seconds: here.seconds,
          memory: here.memory.total.likely,
          uncorrectedMemory: here.memory.total.likely / memoryCorrection,
          ...(here.energy ? { energy: here.energy } : {}),
          ...(own ? { cost: own.money } : {}),
          ...(here.watts === undefined ? {} : { watts: here.watts }),
        }
      : null;
  return {
    version: 2,
    time,
    device: here.target.id,
    kind: here.target.kind,
    precision: settings.precision,
    shape: shapeOf(settings),
    estimate: runEstimate,
    price,
    assumptions,
  };
}

const shapeOf = (s: Shape): Shape =>
  Object.fromEntries(shapeSettings.map((key) => [key, s[key]])) as unknown as Shape;

/** True if a session on this kind of device runs with the settings that were estimated. */
export const hasEstimatedSettings = (
  { kind, precision, shape }: CostRecord,
  device: DeviceKind,
  s: TrainingSettings,
): boolean =>
  kind === device &&
  precision === s.precision &&
  (!shape || shapeSettings.every((key) => shape[key] === s[key]));

/** Fewest steps of a run that later estimates learn from. */
const fewestSteps = 10;

/** Actual over estimated figures; undefined unless the run ended and ran with the estimated settings. */
export function ratioOf(run: string, { estimate, actual, precision }: CostRecord): Ratio | undefined {
  if (!estimate || !actual || actual.hasOtherSettings) return undefined;
  if (actual.steps < fewestSteps || !(actual.stepSeconds > 0)) return undefined;
  return {
    run,
    at: actual.time,
    precision,
    ...(estimate.basis ? { basis: estimate.basis } : {}),
    time: actual.stepSeconds / estimate.uncorrectedStepSeconds,
    memory: actual.memory > 0 ? actual.memory / estimate.uncorrectedMemory : null,
    corrected: actual.stepSeconds / estimate.stepSeconds,
  };
}

/**
 * US dollars for this many seconds and kilowatt-hours (the room's overhead included); null if the price needs
 * an energy that is unknown.
 */
export function costOf(
  { price }: Pick<CostRecord, 'price'>,
  seconds: number,
  energy: number | null,
): number | null {
  if (!price) return null;
  if (price.unit === 'hour') return (price.value * seconds) / 3600;
  return energy === null ? null : price.value * energy;
}
