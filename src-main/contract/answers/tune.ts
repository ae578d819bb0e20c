/** @file The schemas of answers about tunings. */
import '../no-eval.ts';
import { z } from 'zod';
import { rangeSchema } from '../../cost/range.ts';
import type { TuningEstimate } from '../../cost/tuning.ts';
import { tuningSchema } from '../../train/tuning/tuning.ts';
import type { StoredTuning, TuneEvent } from '../tune.ts';
import { count, number, text, waitingEvent } from './shared-schemas.ts';
import { exactly } from './exact.ts';

export const tuningEstimate = exactly<TuningEstimate>()(
  z.object({
    trials: count,
    tokens: z.object({ low: number, high: number }),
    seconds: rangeSchema.exactOptional(),
    energy: rangeSchema.exactOptional(),
    cost: rangeSchema.exactOptional(),
  }),
);

export const storedTuning = exactly<StoredTuning>()(z.object({ dir: text, tuning: tuningSchema }));

const trial = tuningSchema.shape.trials.unwrap().element.shape;

export const tuneEvent = exactly<TuneEvent>()(
  z.discriminatedUnion('type', [
    waitingEvent,
    z.object({ type: z.literal('preparing'), what: text, done: number, of: number }),
    z.object({
      type: z.literal('step'),
      trial: count,
      left: count,
      width: trial.width,
      tests: trial.tests,
      values: trial.values,
      step: count,
      of: count,
      loss: number,
    }),
    z.object({ type: z.literal('tuning'), dir: text, tuning: tuningSchema }),
    z.object({ type: z.literal('done'), dir: text, tuning: tuningSchema }),
  ]),
);
