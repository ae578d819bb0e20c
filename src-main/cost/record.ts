/**
 * @file What a run keeps of its cost: the estimate it began with, its price with source and time, and what
 * came of it. Written once, never worked out again.
 */
import type { DeviceKind } from '../base/device.ts';
import type { Precision } from '../train/precision.ts';
import type { PowerSource } from '../train/run.ts';
import type { TrainingSettings } from '../train/settings.ts';
import type { Assumptions } from './assumptions.ts';
import type { Basis, Ratio } from './calibration.ts';
import type { Estimate } from './estimate.ts';
import type { Range } from './range.ts';

/** US dollars an hour of the device, or a kilowatt-hour of its electricity, as it was when the run began. */
export interface Paid {
  readonly value: number;
  readonly unit: 'hour' | 'kWh';
  readonly source: string;
  readonly time: string;
}

/** What was told before the run; the `plain` ones without the correction by earlier runs. */
export interface Told {
  readonly stepSeconds: number;
  readonly plainStepSeconds: number;
  readonly basis?: Basis;
  readonly seconds: Range;
  readonly memory: number;
  readonly plainMemory: number;
  readonly energy?: Range;
  readonly money?: Range;
  /** Watts while training, as assumed. */
  readonly watts?: number;
}

/** What came: all sittings together. */
export interface Came {
  readonly steps: number;
  readonly tokens: number;
  /** Seconds that the device was held. */
  readonly seconds: number;
  /** Median of the steps after the first few. */
  readonly stepSeconds: number;
  /** Most bytes held; 0 where nobody tells. */
  readonly memory: number;
  readonly energy: number | null;
  readonly power: PowerSource | null;
  readonly money: number | null;
  readonly time: string;
  /** A sitting computed otherwise than was told: what came teaches nothing, and is still what was spent. */
  readonly unlike?: true;
}

/** Settings by which a step is told; a resume may change them to spare memory. */
const shaping = ['precision', 'batch', 'accumulate', 'sequence', 'recompute'] as const;
type Shape = Pick<TrainingSettings, (typeof shaping)[number]>;

/** estimate.json of a run's folder. */
export interface CostRecord {
  readonly version: 1;
  readonly time: string;
  readonly device: string;
  readonly kind: DeviceKind;
  readonly precision: Precision;
  readonly shape?: Shape;
  readonly told: Told | null;
  readonly price: Paid | null;
  readonly assumptions: Assumptions;
  readonly came?: Came;
}

export const costFile = 'estimate.json';

/** What the file says, or null where it is no such record. */
export function recordIn(json: unknown): CostRecord | null {
  const record = json as Partial<CostRecord> | null;
  return typeof record === 'object' && record?.version === 1 && typeof record.assumptions?.pueOwn === 'number'
    ? (record as CostRecord)
    : null;
}

/** The record that a run begins with. */
export function recordFor(
  e: Estimate,
  assumptions: Assumptions,
  {
    memory,
    training: s,
  }: { /** The correction by earlier runs. */ readonly memory: number; readonly training: TrainingSettings },
  time: string,
): CostRecord | undefined {
  const on = e.here[0];
  const own = e.offers.find((o) => o.own && o.device === on?.target.id);
  if (!on) return undefined;
  const price: Paid =
    assumptions.ownPrice > 0
      ? { value: assumptions.ownPrice, unit: 'hour', source: 'your price', time }
      : { value: assumptions.tariff, unit: 'kWh', source: 'your tariff', time };
  const told: Told | null =
    on.seconds && on.step
      ? {
          stepSeconds: on.step.seconds,
          plainStepSeconds: on.step.plain,
          basis: on.step.basis,
          seconds: on.seconds,
          memory: on.memory.total.likely,
          plainMemory: on.memory.total.likely / memory,
          ...(on.energy ? { energy: on.energy } : {}),
          ...(own ? { money: own.money } : {}),
          ...(on.watts === undefined ? {} : { watts: on.watts }),
        }
      : null;
  return {
    version: 1,
    time,
    device: on.target.id,
    kind: on.target.kind,
    precision: s.precision,
    shape: shapeOf(s),
    told,
    price,
    assumptions,
  };
}

const shapeOf = (s: Shape): Shape =>
  Object.fromEntries(shaping.map((key) => [key, s[key]])) as unknown as Shape;

/** Whether a sitting on this kind of device computes as was told. */
export const isAsTold = (
  { kind, precision, shape }: CostRecord,
  device: DeviceKind,
  s: TrainingSettings,
): boolean =>
  kind === device && precision === s.precision && (!shape || shaping.every((key) => shape[key] === s[key]));

/** What a record teaches: only one that ended, and computed as was told, says anything. */
export function ratioOf(run: string, { told, came, precision }: CostRecord): Ratio | undefined {
  if (!told || !came || came.steps < 10 || came.unlike || !(came.stepSeconds > 0)) return undefined;
  return {
    run,
    at: came.time,
    precision,
    ...(told.basis ? { basis: told.basis } : {}),
    time: came.stepSeconds / told.plainStepSeconds,
    memory: came.memory > 0 ? came.memory / told.plainMemory : null,
    told: came.stepSeconds / told.stepSeconds,
  };
}

/**
 * Dollars for so many seconds and kilowatt-hours (with the overhead of the room counted in); null where the
 * price needs an energy that nobody knows.
 */
export function moneyFor(
  { price }: Pick<CostRecord, 'price'>,
  seconds: number,
  energy: number | null,
): number | null {
  if (!price) return null;
  return price.unit === 'hour'
    ? (price.value * seconds) / 3600
    : energy === null
      ? null
      : price.value * energy;
}
