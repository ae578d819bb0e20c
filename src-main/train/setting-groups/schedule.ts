/** @file Settings of the schedule. */
import { choice, integer, real } from '../setting.ts';

export const scheduleLabels = {
  constant: 'Constant',
  linear: 'Linear',
  cosine: 'Cosine',
  wsd: 'Warmup, stable, decay',
} as const;
export type Schedule = keyof typeof scheduleLabels;

export const scheduleSettings = {
  schedule: choice({
    label: 'Schedule',
    help: 'How the learning rate falls after the warmup.',
    group: 'schedule',
    isEssential: true,
    default: 'cosine',
    labels: scheduleLabels,
  }),
  warmupSteps: integer({
    label: 'Warmup steps',
    help: 'Steps over which the learning rate rises from zero.',
    group: 'schedule',
    default: 20,
    min: 0,
    max: 1e9,
    unit: 'steps',
    former: { id: 'warmup' },
  }),
  rewarmSteps: integer({
    label: 'Re-warmup steps',
    help:
      'Steps over which the learning rate rises again when a finished run is extended. ' +
      '0 continues at the last rate.',
    group: 'schedule',
    default: 20,
    min: 0,
    max: 1e9,
    unit: 'steps',
    former: { id: 'rewarm' },
  }),
  minLrRatio: real({
    label: 'Minimum LR ratio',
    help: 'The last learning rate as a share of the peak (cosine, wsd).',
    group: 'schedule',
    default: 0.1,
    min: 0,
    max: 1,
    former: { id: 'floor' },
  }),
  decayFraction: real({
    label: 'Decay fraction',
    help: 'Share of the steps, at the end, over which wsd decays.',
    group: 'schedule',
    default: 0.2,
    min: 0,
    max: 1,
    former: { id: 'cooldown' },
  }),
};
