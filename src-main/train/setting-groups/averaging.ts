/** @file Settings of averaging and distillation. */
import { integer, real } from '../setting.ts';

export const averagingSettings = {
  emaDecay: real({
    label: 'EMA decay',
    help: 'Keeps an exponential moving average of the weights with this decay, for example 0.999. 0 keeps none.',
    group: 'averaging',
    default: 0,
    min: 0,
    max: 0.999_999_9,
    former: { id: 'ema' },
  }),
  averageCheckpoints: integer({
    label: 'Checkpoint averaging',
    help: 'Averages this many of the newest checkpoints. 0 averages none.',
    group: 'averaging',
    default: 0,
    min: 0,
    max: 100,
    unit: 'checkpoints',
    former: { id: 'average' },
  }),
  distillWeight: real({
    label: 'Distillation weight',
    help: 'Weight of the KL divergence from the source model at the first step. It falls to 0 at the last step.',
    group: 'averaging',
    default: 0,
    min: 0,
    max: 1,
    former: { id: 'distill' },
  }),
  distillTemperature: real({
    label: 'Distillation temperature',
    help: 'Temperature of both models in the distillation loss.',
    group: 'averaging',
    default: 1,
    min: 0.01,
    max: 100,
    former: { id: 'temperature' },
  }),
};
