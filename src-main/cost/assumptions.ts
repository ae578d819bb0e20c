/**
 * @file Everything an estimate takes for granted, each with its unit, range, default and reason, so that a
 * person can see and change it.
 */
import type { Option } from '../base/option.ts';

export interface Assumptions {
  /** Share of a device's peak that training reaches where nothing was measured. */
  readonly utilisationLow: number;
  readonly utilisationHigh: number;
  /** Microseconds to start one operator where nothing was measured. */
  readonly launch: number;
  /** Time of a step over the sum of its operators, on a device whose rates were measured. */
  readonly bookkeeping: number;
  /** Mean power over the largest. */
  readonly load: number;
  readonly pueOwn: number;
  readonly pueCloud: number;
  /** US dollars a kilowatt-hour. */
  readonly tariff: number;
  /** US dollars an hour; 0: own hardware costs its electricity alone. */
  readonly ownPrice: number;
  /** Grams of CO₂ a kilowatt-hour. */
  readonly carbon: number;
  /** Tokens that each parameter of the source has seen. */
  readonly sourceTokens: number;
}

export const assumptionDefaults: Assumptions = {
  utilisationLow: 0.1,
  utilisationHigh: 0.3,
  launch: 6,
  bookkeeping: 1.15,
  load: 0.8,
  pueOwn: 1.1,
  pueCloud: 1.25,
  tariff: 0.3,
  ownPrice: 0,
  carbon: 450,
  sourceTokens: 20,
};

const number = (
  id: keyof Assumptions,
  label: string,
  help: string,
  min: number,
  max: number,
  unit?: string,
): Option => ({
  kind: 'number',
  id,
  label,
  help,
  min,
  max,
  default: assumptionDefaults[id],
  ...(unit === undefined ? {} : { unit }),
});

/** In the order in which they are shown: the person's own prices first. */
export const assumptionOptions: readonly Option[] = [
  number(
    'ownPrice',
    'Your price',
    'What an hour of your device costs you: rent, or wear. 0 counts its electricity alone.',
    0,
    10_000,
    'US$ an hour',
  ),
  number('tariff', 'Your tariff', 'What electricity costs you.', 0, 10, 'US$ a kWh'),
  number(
    'carbon',
    'Grid',
    'Carbon dioxide of your electricity; the world\u2019s mean is near 450, hydro and nuclear below 50, coal above 800.',
    0,
    2000,
    'g a kWh',
  ),
  number('pueOwn', 'Overhead, here', 'Electricity of the whole room over that of the device (PUE).', 1, 3),
  number('pueCloud', 'Overhead, rented', 'The same for a data centre.', 1, 3),
  number('load', 'Load', 'Mean power while training, as a share of the largest.', 0.05, 1),
  number(
    'utilisationLow',
    'Utilisation, least',
    'Share of the peak where nothing was measured; plain programs reach 10 to 20 %, tuned ones 35 to 45 %.',
    0.001,
    1,
  ),
  number('utilisationHigh', 'Utilisation, most', 'The other end of that band.', 0.001, 1),
  number(
    'launch',
    'Launch',
    'Time to start one operator where nothing was measured: what small models wait for.',
    0,
    1000,
    'µs',
  ),
  number(
    'bookkeeping',
    'Bookkeeping',
    'Time of a step over the sum of its operators, where the device\u2019s rates were measured.',
    1,
    10,
  ),
  number(
    'sourceTokens',
    'Source\u2019s tokens',
    'How many tokens each parameter of the source has seen, for the comparison with random weights; 20 is compute-optimal, newer models saw far more.',
    0.01,
    1e6,
    'a parameter',
  ),
];
