/** @file The assumptions of an estimate that a person can see and change: unit, range, default and reason. */
import type { NumberOption, Option } from '../base/option.ts';

export interface Assumptions {
  /** Share of a device's peak that training reaches if the device was not measured. */
  readonly utilisationLow: number;
  readonly utilisationHigh: number;
  /** Microseconds to launch one operator if the device was not measured. */
  readonly launch: number;
  /** Time of a step over the sum of its operators, on a measured device. */
  readonly bookkeeping: number;
  /** Mean power over maximum power. */
  readonly load: number;
  /** Power usage effectiveness of your own room and of a data centre. */
  readonly pueOwn: number;
  readonly pueCloud: number;
  /** US dollars per kilowatt-hour. */
  readonly tariff: number;
  /** US dollars per hour. 0: your own hardware costs only its electricity. */
  readonly ownPrice: number;
  /** Grams of CO₂ per kilowatt-hour. */
  readonly carbon: number;
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
};

type Description = Pick<NumberOption, 'label' | 'help' | 'min' | 'max' | 'unit'>;

/** In display order: your own prices first. */
const descriptions: Readonly<Record<keyof Assumptions, Description>> = {
  ownPrice: {
    label: 'Your price',
    help: 'What an hour of your device costs you, for example rent. 0 counts only its electricity.',
    min: 0,
    max: 10_000,
    unit: 'US$ per hour',
  },
  tariff: {
    label: 'Electricity price',
    help: 'What you pay for electricity.',
    min: 0,
    max: 10,
    unit: 'US$ per kWh',
  },
  carbon: {
    label: 'Carbon intensity',
    help:
      'CO\u2082 emissions of your electricity. The world average is about 450; ' +
      'hydro and nuclear are below 50, coal is above 800.',
    min: 0,
    max: 2000,
    unit: 'g per kWh',
  },
  pueOwn: {
    label: 'PUE of your room',
    help: 'Power usage effectiveness: electricity of the whole room over that of the device.',
    min: 1,
    max: 3,
  },
  pueCloud: {
    label: 'PUE of a data centre',
    help: 'The same ratio for a rented device.',
    min: 1,
    max: 3,
  },
  load: {
    label: 'Average load',
    help: 'Mean power while training, as a share of the maximum.',
    min: 0.05,
    max: 1,
  },
  utilisationLow: {
    label: 'Lowest utilisation',
    help:
      'Share of the peak that a device reaches if it was not measured. ' +
      'Plain programs reach 10 to 20 %, tuned ones 35 to 45 %.',
    min: 0.001,
    max: 1,
  },
  utilisationHigh: {
    label: 'Highest utilisation',
    help: 'The upper end of that range.',
    min: 0.001,
    max: 1,
  },
  launch: {
    label: 'Operator launch time',
    help: 'Time to launch one operator if the device was not measured. It dominates in small models.',
    min: 0,
    max: 1000,
    unit: 'µs',
  },
  bookkeeping: {
    label: 'Step overhead',
    help: 'Time of a step over the sum of its operators, on a measured device.',
    min: 1,
    max: 10,
  },
};

export const assumptionOptions: readonly Option[] = (Object.keys(descriptions) as (keyof Assumptions)[]).map(
  (id) => ({ kind: 'number', id, ...descriptions[id], default: assumptionDefaults[id] }),
);
