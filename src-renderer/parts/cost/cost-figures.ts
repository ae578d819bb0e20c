/** @file Ranges, money, energy and carbon as people read them. */
import type { Range } from '../../../src-main/cost/range.ts';

/** `1.2 to 3.4`, or one figure where both ends read alike. */
export const between = (r: Range, show: (value: number) => string): string =>
  show(r.low) === show(r.high) ? show(r.likely) : `${show(r.low)} to ${show(r.high)}`;

/** `$ 0.42`; what is less than a tenth of a cent says so. */
export const money = (dollars: number): string =>
  dollars === 0
    ? '$ 0'
    : dollars < 0.001
      ? '< $ 0.001'
      : `$ ${dollars < 0.1 ? dollars.toFixed(3) : dollars < 100 ? dollars.toFixed(2) : Math.round(dollars).toLocaleString('en').replaceAll(',', '\u202f')}`;
export const energy = (kWh: number): string =>
  kWh < 0.001
    ? `${Number((1e6 * kWh).toPrecision(2))} mWh`
    : kWh < 1
      ? `${Number((1000 * kWh).toPrecision(3))} Wh`
      : `${Number(kWh.toPrecision(3))} kWh`;
export const carbon = (grams: number): string =>
  grams < 1
    ? `${Number((1000 * grams).toPrecision(2))} mg`
    : grams < 1000
      ? `${Number(grams.toPrecision(3))} g`
      : grams < 1e6
        ? `${Number((grams / 1000).toPrecision(3))} kg`
        : `${Number((grams / 1e6).toPrecision(3))} t`;
/** `3 days old`, `today`. */
export const age = (days: number): string =>
  days === 0 ? 'today' : days === 1 ? '1 day old' : `${days} days old`;
