/**
 * @file What is known of devices and of prices: facts from makers, prices with their source and date, and
 * which of them a name means.
 */
import type { Precision } from '../train/precision.ts';

/**
 * Dense products a second without sparsity, by what they compute in; `tf32` is float32 with operands of ten
 * bits.
 */
export type Peaks = Readonly<Partial<Record<Precision | 'tf32', number>>>;

export interface DeviceFacts {
  readonly id: string;
  readonly name: string;
  readonly kind: 'gpu' | 'cpu';
  /** Parts of the name that a driver tells, in lower case; all of one list must occur. */
  readonly match: readonly (readonly string[])[];
  /** FLOP/s; of a processor, of one core. */
  readonly peaks: Peaks;
  /** Bytes; null for a processor, whose memory is the computer's. */
  readonly memory: number | null;
  /** Bytes per second; of a processor, for one core. */
  readonly bandwidth: number | null;
  /** Watts at most; of a processor, of one core. */
  readonly power: number;
  readonly source: string;
}

/** US dollars for one device and one hour. */
export interface Price {
  readonly device: string;
  readonly provider: string;
  readonly terms: string;
  readonly hourly: number;
  readonly source: string;
  /** The day it was read, ISO 8601. */
  readonly date: string;
}

export interface DeviceBook {
  readonly devices: readonly DeviceFacts[];
  readonly prices: readonly Price[];
}

/**
 * The facts about a device that calls itself `name`, or undefined: an unknown one is never taken for another.
 * The most particular description wins.
 */
export function factsOf(
  book: DeviceBook,
  name: string,
  kind: DeviceFacts['kind'] = 'gpu',
): DeviceFacts | undefined {
  const told = ` ${name.toLowerCase().replace(/[^a-z0-9]+/g, ' ')} `;
  const fits = book.devices
    .filter((d) => d.kind === kind)
    .flatMap((device) =>
      device.match
        .filter((words) => words.every((word) => told.includes(` ${word} `)))
        .map((words) => ({ device, words: words.length })),
    );
  return fits.sort((a, b) => b.words - a.words)[0]?.device;
}

export const pricesOf = (book: DeviceBook, device: string): readonly Price[] =>
  book.prices.filter((p) => p.device === device).sort((a, b) => a.hourly - b.hourly);

/** Whole days between a price's date and `now`, both ISO 8601. */
export const ageOf = (price: Pick<Price, 'date'>, now: string): number =>
  Math.max(0, Math.floor((Date.parse(now) - Date.parse(price.date)) / 86_400_000));
