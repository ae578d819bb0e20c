/** @file The device book: peak rates from makers, and rental prices with their source and date. */
import type { Precision } from '../train/precision.ts';

/** Dense FLOP/s without sparsity, by type. `tf32` is float32 whose operands are rounded to ten mantissa bits. */
export type Peaks = Readonly<Partial<Record<Precision | 'tf32', number>>>;

/** Facts of a GPU, or of one core of a CPU. */
export interface DeviceFacts {
  readonly id: string;
  readonly name: string;
  readonly kind: 'gpu' | 'cpu';
  /** Lists of lower-case words. A device matches if its name has all words of one list. */
  readonly match: readonly (readonly string[])[];
  readonly peaks: Peaks;
  /** Bytes. Null for a CPU, which uses the memory of the computer. */
  readonly memory: number | null;
  /** Bytes per second. */
  readonly bandwidth: number | null;
  /** Maximum power in watts. */
  readonly power: number;
  /** Why a GPU cannot run the CUDA provider, as a clause; absent if it can. */
  readonly noCuda?: string;
  readonly source: string;
}

/** US dollars for one device and one hour. */
export interface Price {
  readonly device: string;
  readonly provider: string;
  readonly terms: string;
  readonly hourly: number;
  readonly source: string;
  /** The day on which it was read, ISO 8601. */
  readonly date: string;
}

export interface DeviceBook {
  readonly devices: readonly DeviceFacts[];
  readonly prices: readonly Price[];
}

/**
 * The facts of the device that a driver calls `name`. The match with the most words wins; undefined if none
 * matches.
 */
export function factsOf(
  book: DeviceBook,
  name: string,
  kind: DeviceFacts['kind'] = 'gpu',
): DeviceFacts | undefined {
  const nameWords = ` ${name.toLowerCase().replace(/[^a-z0-9]+/g, ' ')} `;
  const matches = book.devices
    .filter((device) => device.kind === kind)
    .flatMap((device) =>
      device.match
        .filter((words) => words.every((word) => nameWords.includes(` ${word} `)))
        .map((words) => ({ device, count: words.length })),
    );
  return matches.sort((a, b) => b.count - a.count)[0]?.device;
}

/** The prices of a device, cheapest first. */
export const pricesOf = (book: DeviceBook, device: string): readonly Price[] =>
  book.prices.filter((price) => price.device === device).sort((a, b) => a.hourly - b.hourly);

const millisecondsPerDay = 86_400_000;

/** Whole days from the date of a price to `now`, both ISO 8601. */
export const ageOf = (price: Pick<Price, 'date'>, now: string): number =>
  Math.max(0, Math.floor((Date.parse(now) - Date.parse(price.date)) / millisecondsPerDay));
