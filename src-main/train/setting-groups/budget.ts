/** @file Settings of the budget. */
import { integer, real } from '../setting.ts';

export const budgetSettings = {
  budgetCost: real({
    label: 'Cost budget',
    help: 'Saves and stops after this cost at the price you gave. 0 sets no limit. Resuming grants it again.',
    group: 'budget',
    default: 0,
    min: 0,
    max: 1e9,
    unit: 'US$',
    former: { id: 'budgetMoney' },
  }),
  budgetHours: real({
    label: 'Time budget',
    help: 'Saves and stops after this many hours on the device. 0 sets no limit.',
    group: 'budget',
    default: 0,
    min: 0,
    max: 1e6,
    unit: 'hours',
  }),
  budgetTokens: integer({
    label: 'Token budget',
    help: 'Saves and stops after this many tokens; the schedule stays as it is. 0 sets no limit.',
    group: 'budget',
    default: 0,
    min: 0,
    max: 1e13,
    unit: 'tokens',
  }),
};
