/**
 * @file A tuning: what tune.json holds. Short trials at the width of the source search for the hyperparameters; trials
 * at the grown width show whether the best learning rate stays, as µP promises. docs/training.md describes the file.
 */
import { z } from 'zod';
import { storedSettingsSchema, type TrainingSettings } from '../settings.ts';

/** Name of the file in the folder of a tuning. */
export const tuningFile = 'tune.json';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const finite = z.number();
const sizes = z.record(z.string(), count);
const list = <S extends z.ZodType>(item: S): z.ZodReadonly<z.ZodArray<S>> => z.array(item).readonly();

/** A loss of a trial, in nats per token: on held-out text, after `step` updates. */
const rung = z.object({ step: count, loss: finite });

/**
 * The hyperparameters of a trial. `warmup` is the share of the steps in which the learning rate rises. Further names
 * are options of the growth method.
 */
const values = z.object({ lr: finite, weightDecay: finite, warmup: finite }).catchall(finite);

const trial = z.object({
  /** Which model was trained: the source, or the grown one. */
  width: z.enum(['source', 'target']),
  /** The hyperparameter that the trial tests another value of. */
  tests: z.string(),
  values,
  rungs: list(rung),
  /** `stopped`: worse than the median of the trials before it; `diverged`: the loss was not finite. */
  end: z.enum(['finished', 'stopped', 'diverged']),
  seconds: finite,
});

const multiplier = z.object({
  what: z.enum(['input', 'output', 'attention']),
  value: finite,
  carriedBy: z.enum(['none', 'embedding', 'head', 'norm', 'queries and keys', 'missing']),
});

/** The scale of one kind of activation, after some updates, at each width. */
const coordinates = z.object({
  /** A key of the family's table, or `logits`. */
  name: z.string(),
  /** Root mean squares, one for each width. */
  scales: list(finite),
  /** The slope of log scale over log width. */
  exponent: finite,
});
const coordinateCheck = z.object({
  widths: z.array(count).min(2).readonly(),
  /** Updates before the activations were measured. */
  steps: count,
  lr: finite,
  layers: count,
  mup: list(coordinates),
  standard: list(coordinates),
});

const model = z.object({ dims: sizes, width: count, parameters: count });

export const tuningSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  /** ISO 8601. */
  created: z.string(),
  /** Folder of the checkpoint. */
  checkpoint: z.string(),
  /** Fingerprint of its weights. */
  fingerprint: z.string(),
  data: z.array(z.string()).min(1).readonly(),
  weights: list(z.number().positive()).exactOptional(),
  field: z.string().exactOptional(),
  /** SHA-256 of the text's files; null before they are read. */
  textHash: z.string().nullable(),
  /** The settings that every trial has, but for what it tests. Its tokens are those of one trial. */
  settings: storedSettingsSchema,
  /** The growth that the values are transferred to; null for none. */
  grow: z
    .array(
      z.object({
        method: z.string(),
        to: z.record(z.string(), z.number().int().positive()),
        options: z.record(z.string(), z.union([finite, z.string(), z.null()])),
        seed: count,
        dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
      }),
    )
    .min(1)
    .readonly()
    .nullable(),
  /** Most trials at each width. */
  budget: z.object({ source: count, target: count }),
  wantsCoordinateCheck: z.boolean(),
  /** Options of the growth method that are searched at the source's width, with the values to try. */
  options: list(z.object({ id: z.string(), label: z.string(), candidates: list(finite), first: finite })),
  /** The setting `mupBase` of every trial. */
  mupBase: z.string(),
  source: model,
  target: model.nullable(),
  /** The forward multipliers of the largest model, and which are kept. */
  multipliers: list(multiplier),
  trials: list(trial),
  coordinateCheck: coordinateCheck.nullable(),
  isDone: z.boolean(),
});

export type Tuning = Readonly<z.infer<typeof tuningSchema>>;
export type Trial = Tuning['trials'][number];
export type TrialValues = Trial['values'];
export type TrialWidth = Trial['width'];
export type CoordinateCheck = NonNullable<Tuning['coordinateCheck']>;
export type Coordinates = CoordinateCheck['mup'][number];

/** The last loss of a trial; null if it diverged. */
export const lossOf = ({ end, rungs }: Trial): number | null =>
  end === 'diverged' ? null : (rungs.at(-1)?.loss ?? null);

/** The finished trial with the lowest loss at a width; undefined if there is none. */
export function bestTrial({ trials }: Pick<Tuning, 'trials'>, width: TrialWidth): Trial | undefined {
  const finished = trials.filter((one) => one.width === width && one.end === 'finished');
  return finished.reduce<Trial | undefined>(
    (best, one) => (best === undefined || lossOf(one)! < lossOf(best)! ? one : best),
    undefined,
  );
}

/** The settings of a run of `steps` steps with the values of a trial. */
export const settingsOfValues = (
  { lr, weightDecay, warmup }: TrialValues,
  mupBase: string,
  steps: number,
): Pick<TrainingSettings, 'lr' | 'weightDecay' | 'warmupSteps' | 'mupBase'> => ({
  lr,
  weightDecay,
  warmupSteps: Math.round(warmup * steps),
  mupBase,
});

/** How often the best rate of the grown width is that of the source's width: 1 if it stays; undefined if unknown. */
export function shiftOf(tuning: Tuning): number | undefined {
  const [source, target] = [bestTrial(tuning, 'source'), bestTrial(tuning, 'target')];
  return source && target ? target.values.lr / source.values.lr : undefined;
}
