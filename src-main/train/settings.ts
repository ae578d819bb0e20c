/**
 * @file The settings of a training run: one table, from which the type, the defaults, the form, the flags and
 * the check are derived.
 */
import { z } from 'zod';
import { deviceChoices, type DeviceChoice } from '../base/device.ts';
import type { ActivationCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import { optimizerLabels } from './optimizers/index.ts';
import { precisionLabels } from './precision.ts';
import {
  choice,
  defaultsOf,
  integer,
  optionsOf,
  real,
  schemasOf,
  text,
  type SettingTable,
  type SettingsOf,
} from './setting.ts';

export type { DeviceChoice, DeviceKind } from '../base/device.ts';

const scheduleLabels = {
  constant: 'Constant',
  linear: 'Linear',
  cosine: 'Cosine',
  wsd: 'Warmup, stable, decay',
} as const;
export type Schedule = keyof typeof scheduleLabels;

const checkpointingLabels: Readonly<Record<ActivationCheckpointing | 'auto', string>> = {
  auto: 'Automatic',
  off: 'Off',
  attention: 'Attention scores',
  full: 'Every block',
};
const deviceLabels = Object.fromEntries(deviceChoices.map((id) => [id, id])) as Record<DeviceChoice, string>;
const onOff = { off: 'Off', on: 'On' } as const;
const anyCount = Number.MAX_SAFE_INTEGER;

export const settingTable = {
  tokens: integer({
    label: 'Tokens',
    help: 'Tokens to train on in all. The run ends there.',
    group: 'length',
    isEssential: true,
    default: 1_000_000,
    min: 1,
    max: 1e13,
    unit: 'tokens',
  }),
  microBatch: integer({
    label: 'Micro-batch size',
    help: 'Sequences per forward and backward pass. Larger is faster until memory is full.',
    group: 'length',
    isEssential: true,
    default: 8,
    min: 1,
    max: 65_536,
    unit: 'sequences',
    former: { id: 'batch' },
  }),
  contextLength: integer({
    label: 'Context length',
    help: 'Tokens per sequence. Memory and compute grow with it.',
    group: 'length',
    isEssential: true,
    default: 256,
    min: 2,
    max: 1_048_576,
    unit: 'tokens',
    former: { id: 'sequence' },
  }),
  documentMask: choice({
    label: 'Mask across documents',
    help: 'On: tokens attend only to their own document. Off: packed documents attend to earlier ones. Positions count through the sequence in both cases.',
    group: 'length',
    default: 'off',
    labels: onOff,
    former: { id: 'documents', values: { joined: 'off', apart: 'on' } },
  }),
  gradAccum: integer({
    label: 'Gradient accumulation steps',
    help: 'Micro-batches per update: a larger batch without more memory.',
    group: 'length',
    default: 1,
    min: 1,
    max: 65_536,
    unit: 'batches',
    former: { id: 'accumulate' },
  }),
  lr: real({
    label: 'Learning rate',
    help: 'Peak learning rate. Grown weights multiply it by their own factor.',
    group: 'optimizer',
    isEssential: true,
    default: 3e-4,
    min: 1e-9,
    max: 10,
  }),
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
    help: 'Steps over which the learning rate rises again when a finished run is extended. 0 continues at the last rate.',
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
  optimizer: choice({
    label: 'Optimizer',
    help: 'AdamW and Muon use the same learning-rate scale; SGD needs a larger one.',
    group: 'optimizer',
    default: 'adamw',
    labels: optimizerLabels,
  }),
  weightDecay: real({
    label: 'Weight decay',
    help: 'Decoupled weight decay of matrices and embeddings.',
    group: 'optimizer',
    default: 0.1,
    min: 0,
    max: 10,
    former: { id: 'decay' },
  }),
  gradClip: real({
    label: 'Gradient clipping',
    help: 'Largest global gradient norm. 0 turns clipping off.',
    group: 'optimizer',
    default: 1,
    min: 0,
    max: 1e6,
    former: { id: 'clip' },
  }),
  beta1: real({
    label: 'Beta 1',
    help: 'Decay of the first moment (AdamW).',
    group: 'optimizer',
    default: 0.9,
    min: 0,
    max: 0.999_99,
  }),
  beta2: real({
    label: 'Beta 2',
    help: 'Decay of the second moment (AdamW).',
    group: 'optimizer',
    default: 0.95,
    min: 0,
    max: 0.999_999_99,
  }),
  // Above 0: a weight whose gradient was always 0 would become 0 / 0.
  eps: real({
    label: 'Epsilon',
    help: 'Added to the root of the second moment (AdamW).',
    group: 'optimizer',
    default: 1e-8,
    min: 1e-30,
    max: 1,
  }),
  momentum: real({
    label: 'Momentum',
    help: 'Decay of the momentum buffer (Muon, SGD).',
    group: 'optimizer',
    default: 0.95,
    min: 0,
    max: 0.999_99,
  }),
  perTensorLr: choice({
    label: 'Per-tensor learning rates',
    help: 'On: grown weights use the learning rate and weight decay that the growth plan gives them. Off: one learning rate for all.',
    group: 'optimizer',
    default: 'on',
    labels: { on: 'On', off: 'Off' },
    former: { id: 'rates', values: { plan: 'on', plain: 'off' } },
  }),
  precision: choice({
    label: 'Precision',
    help: 'Type of matrix products. Weights and moments stay float32. bfloat16 needs CUDA, float16 CUDA or WebGPU.',
    group: 'precision',
    default: 'float32',
    labels: precisionLabels,
  }),
  tf32: choice({
    label: 'TF32',
    help: 'Lets float32 products on CUDA round their operands to TensorFloat-32, which is faster.',
    group: 'precision',
    default: 'off',
    labels: onOff,
  }),
  activationCheckpointing: choice({
    label: 'Activation checkpointing',
    help: 'Recomputes activations in the backward pass to save memory. Automatic: attention scores from 512 tokens on.',
    group: 'precision',
    default: 'auto',
    labels: checkpointingLabels,
    former: { id: 'recompute' },
  }),
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
  spikeThreshold: real({
    label: 'Spike threshold',
    help: 'Skips a step whose loss or gradient norm is an outlier: this many standard deviations above the mean of the last 128 steps. 0 skips only steps that are not finite.',
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
  init: choice({
    label: 'Initial weights',
    help: 'Random weights of the same size are the fair comparison.',
    group: 'length',
    isEssential: true,
    default: 'checkpoint',
    labels: { checkpoint: 'The checkpoint', random: 'Random weights' },
    former: { id: 'start', values: { source: 'checkpoint' } },
  }),
  seed: integer({
    label: 'Seed',
    help: 'Seed of the data order and of random weights.',
    group: 'length',
    default: 0,
    min: 0,
    max: anyCount,
  }),
  saveEvery: integer({
    label: 'Save every',
    help: 'Steps between checkpoints. 0 saves only at the end.',
    group: 'evaluation',
    default: 200,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  evaluateEvery: integer({
    label: 'Evaluate every',
    help: 'Steps between evaluations on held-out text. 0 evaluates only at the start and the end.',
    group: 'evaluation',
    default: 100,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  heldOut: real({
    label: 'Held-out fraction',
    help: 'Share of the text that is kept for evaluation.',
    group: 'evaluation',
    default: 0.02,
    min: 0,
    max: 0.5,
  }),
  sampleEvery: integer({
    label: 'Sample every',
    help: 'Steps between generated samples. 0 samples only at the end.',
    group: 'evaluation',
    default: 100,
    min: 0,
    max: 1e9,
    unit: 'steps',
  }),
  prompt: text({
    label: 'Prompt',
    help: 'The text that samples continue.',
    group: 'evaluation',
    isInForm: false,
    default: '',
    maxLength: 100_000,
  }),
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
  device: choice({
    label: 'Device',
    help: 'The device to train on. Automatic picks the fastest one.',
    group: 'precision',
    isInForm: false,
    default: 'auto',
    labels: deviceLabels,
  }),
  threads: integer({
    label: 'Threads',
    help: 'CPU threads. 0 uses all physical cores.',
    group: 'precision',
    default: 0,
    min: 0,
    max: 1024,
  }),
};
settingTable satisfies SettingTable;

/**
 * A part of the schedule after step `from`, planned to end at step `until`. `decay` falls straight to the
 * minimum. Without a warmup it begins at the learning rate that the part before it ends with.
 */
export interface Phase {
  readonly from: number;
  readonly until: number;
  readonly schedule: Schedule | 'decay';
  readonly warmupSteps: number;
}

/** The settings in settings.json of a run. */
export interface TrainingSettings extends SettingsOf<typeof settingTable> {
  /** Changes to the schedule since the run began (an extension, a decay on request), oldest first. */
  readonly phases?: readonly Phase[];
}

export const trainingDefaults: TrainingSettings = defaultsOf(settingTable);

/** The settings that a person changes, in the order of the form. */
export const trainingOptions = optionsOf(settingTable);

const schemas = schemasOf(settingTable);

/** Every setting, as a request carries them. */
export const trainingSettingsSchema: z.ZodType<TrainingSettings> = z.object(schemas);

const phase: z.ZodType<Phase> = z.object({
  from: z.number().int().min(0),
  until: z.number().int().min(0),
  schedule: z.enum([...(Object.keys(scheduleLabels) as Schedule[]), 'decay']),
  warmupSteps: z.number().int().min(0),
});

/** The settings of a settings.json: what it lacks has its default. */
export const storedSettingsSchema: z.ZodType<TrainingSettings> = z
  .object({ ...schemas, phases: z.array(phase).optional() })
  .partial()
  .transform((given) => ({ ...trainingDefaults, ...given }) as TrainingSettings);

/** Checkpoints that a run keeps: two, or as many as it averages. */
export const keptCheckpoints = ({
  averageCheckpoints,
}: Pick<TrainingSettings, 'averageCheckpoints'>): number => Math.max(2, averageCheckpoints);
