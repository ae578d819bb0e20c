/** @file Settings of safety. */
import { integer, real } from '../setting.ts';

export const safetySettings = {
  spikeThreshold: real({
    label: 'Spike threshold',
    help:
      'Skips a step whose loss or gradient norm is an outlier: this many standard deviations above the ' +
      'mean of the last 128 steps. 0 skips only steps that are not finite.',
    group: 'safety',
    default: 6,
    min: 0,
    max: 1e6,
    unit: 'standard deviations',
    former: { id: 'skip' },
  }),
  rollbackAfter: integer({
    label: 'Roll back after',
    help: 'Skipped steps in a row after which the run returns to its last checkpoint.',
    group: 'safety',
    default: 3,
    min: 1,
    max: 1e6,
    unit: 'steps',
    former: { id: 'rollback' },
  }),
  maxRollbacks: integer({
    label: 'Rollback limit',
    help: 'Rollbacks without a new checkpoint after which the run stops.',
    group: 'safety',
    default: 3,
    min: 0,
    max: 1e6,
    unit: 'rollbacks',
    former: { id: 'patience' },
  }),
};
