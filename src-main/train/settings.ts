/**
 * @file What a run is asked to do, as data: the settings of training, each described once for page, command
 * line and check.
 */
import type { DeviceChoice } from '../base/device.ts';
import type { Option } from '../base/option.ts';
import type { Recompute } from '../graph/passes/recompute.ts';

import { optimizers, type OptimizerId } from './optimizers/index.ts';
import type { Precision } from './precision.ts';

export type { DeviceChoice, DeviceKind } from '../base/device.ts';

export type Schedule = 'constant' | 'linear' | 'cosine' | 'wsd';

/**
 * A stretch of a schedule after step `from`, planned to end at `until`; `fall` goes straight down to the
 * floor. Without a warm-up it begins at the learning rate it finds.
 */
export interface Phase {
  readonly from: number;
  readonly until: number;
  readonly schedule: Schedule | 'fall';
  readonly warmup: number;
}

/** `settings.json` of a run holds these. */
export interface TrainingSettings {
  /** Target tokens to train on in all. */
  readonly tokens: number;
  /** Sequences per device batch. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly sequence: number;
  /** Whether tokens hear what stands before their own document in a packed sequence. */
  readonly documents: 'joined' | 'apart';
  /** Device batches per update. */
  readonly accumulate: number;
  /** Peak learning rate. */
  readonly lr: number;
  readonly schedule: Schedule;
  /**
   * What the schedule has become since the run began, when it was extended or told to decay; later phases
   * take over from earlier ones.
   */
  readonly phases?: readonly Phase[];
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Steps over which the learning rate rises again where a finished run is extended. */
  readonly rewarm: number;
  readonly optimizer: OptimizerId;
  /** What products compute in; the state is float32 in each. */
  readonly precision: Precision;
  /** Whether float32 products on CUDA may read their operands with ten bits (TensorFloat-32). */
  readonly tf32: 'on' | 'off';
  /** What of the forward pass is computed again in the backward pass instead of being held. */
  readonly recompute: Recompute | 'auto';
  /** Weight decay of matrices and tables (decoupled). */
  readonly decay: number;
  /** Largest global gradient norm; 0 for no clipping. */
  readonly clip: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Share of the old momentum that stays (Muon, SGD). */
  readonly momentum: number;
  /** Share of the moving average of the weights that stays at each step; 0 for none. */
  readonly ema: number;
  /** How many of the newest saved checkpoints the latest-window average is the mean of; 0 for none. */
  readonly average: number;
  /**
   * Weight of the divergence from the source's predictions at the first step; it falls to nothing at the
   * last. 0 for none.
   */
  readonly distill: number;
  /** At which predictions are compared. */
  readonly temperature: number;
  /**
   * Standard deviations over the mean of the last 128 at which a loss or norm is a spike, and its step is
   * left out; 0 for never.
   */
  readonly skip: number;
  /** Steps left out in a row after which the run goes back to its last saved state. */
  readonly rollback: number;
  /** Times of going back without a new saved state after which it stops. */
  readonly patience: number;
  /** Share of the steps over which `wsd` decays, at its end. */
  readonly cooldown: number;
  /** Last learning rate of `cosine` and `wsd` as a share of the peak. */
  readonly floor: number;
  /**
   * `plan`: learning rate and decay of each weight follow the growth plan (methods.md 1.11); `plain`: one for
   * all.
   */
  readonly rates: 'plan' | 'plain';
  /** `source`: the checkpoint's weights; `random`: the same size from random weights. */
  readonly start: 'source' | 'random';
  readonly seed: number;
  /** Where the run stops by itself, saved: US dollars, hours of the device, tokens; 0 for no bound. */
  readonly budgetMoney: number;
  readonly budgetHours: number;
  readonly budgetTokens: number;
  readonly device: DeviceChoice;
  readonly saveEvery: number;
  /** Evaluate on the held-out split every this many steps; 0 for only at the start and the end. */
  readonly evaluateEvery: number;
  /** Share of the tokens held out for evaluation. */
  readonly heldOut: number;
  /** Write a sample every this many steps; 0 for only at the end. */
  readonly sampleEvery: number;
  readonly prompt: string;
  /** Processor threads; 0 for all physical cores. */
  readonly threads: number;
}

export const trainingDefaults: TrainingSettings = {
  tokens: 1_000_000,
  batch: 8,
  sequence: 256,
  documents: 'joined',
  accumulate: 1,
  lr: 3e-4,
  schedule: 'cosine',
  warmup: 20,
  rewarm: 20,
  optimizer: 'adamw',
  precision: 'float32',
  tf32: 'off',
  recompute: 'auto',
  decay: 0.1,
  clip: 1,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  momentum: 0.95,
  ema: 0,
  average: 0,
  distill: 0,
  temperature: 1,
  skip: 6,
  rollback: 3,
  patience: 3,
  cooldown: 0.2,
  floor: 0.1,
  rates: 'plan',
  start: 'source',
  seed: 0,
  budgetMoney: 0,
  budgetHours: 0,
  budgetTokens: 0,
  device: 'auto',
  saveEvery: 200,
  evaluateEvery: 100,
  heldOut: 0.02,
  sampleEvery: 100,
  prompt: '',
  threads: 0,
};

/** Saved states of a run that stay: two, or as many as an average is made of. */
export const keptStates = ({ average }: Pick<TrainingSettings, 'average'>): number => Math.max(2, average);

const number = (
  id: keyof TrainingSettings,
  label: string,
  help: string,
  min: number,
  max: number,
  more: { unit?: string; whole?: boolean } = {},
): Option => ({
  kind: 'number',
  id,
  label,
  help,
  min,
  max,
  otherwise: trainingDefaults[id] as number,
  ...more,
});

/** The settings a person changes, in the order in which they are shown. */
export const trainingOptions: readonly Option[] = [
  number('tokens', 'Tokens', 'How many tokens to train on in all; the run ends there.', 1, 1e13, {
    unit: 'tokens',
    whole: true,
  }),
  number('batch', 'Batch', 'Sequences computed at once; more is faster until memory is full.', 1, 65536, {
    unit: 'sequences',
    whole: true,
  }),
  number('sequence', 'Sequence', 'How far the model can look back; cost grows with it.', 2, 1_048_576, {
    unit: 'tokens',
    whole: true,
  }),
  {
    kind: 'choice',
    id: 'documents',
    label: 'Documents',
    help: 'Whether documents that are packed into one sequence hear each other; positions go on through all of them either way.',
    otherwise: 'joined',
    choices: [
      { value: 'joined', label: 'Hear what stands before' },
      { value: 'apart', label: 'Hear themselves alone' },
    ],
  },
  number(
    'accumulate',
    'Accumulate',
    'Batches per update: a larger effective batch without more memory.',
    1,
    65536,
    { unit: 'batches', whole: true },
  ),
  number('lr', 'Learning rate', 'The peak; grown weights scale it by their own factor.', 1e-9, 10),
  {
    kind: 'choice',
    id: 'schedule',
    label: 'Schedule',
    help: 'How the learning rate falls after the warm-up.',
    otherwise: 'cosine',
    choices: [
      { value: 'constant', label: 'Constant' },
      { value: 'linear', label: 'Linear' },
      { value: 'cosine', label: 'Cosine' },
      { value: 'wsd', label: 'Warm-up, stable, decay' },
    ],
  },
  number('warmup', 'Warm-up', 'Steps over which the learning rate rises from zero.', 0, 1e9, {
    unit: 'steps',
    whole: true,
  }),
  number(
    'rewarm',
    'Re-warm',
    'Steps over which the learning rate rises again when a finished run is extended; 0 goes on where it ended.',
    0,
    1e9,
    { unit: 'steps', whole: true },
  ),
  {
    kind: 'choice',
    id: 'optimizer',
    label: 'Optimizer',
    help: 'How gradients become steps; all three share one learning-rate scale except SGD, which needs a larger one.',
    otherwise: 'adamw',
    choices: Object.entries(optimizers).map(([value, { label }]) => ({ value, label })),
  },
  {
    kind: 'choice',
    id: 'precision',
    label: 'Precision',
    help: 'What products compute in; weights and moments stay float32. bfloat16 needs CUDA, float16 CUDA or WebGPU.',
    otherwise: 'float32',
    choices: [
      { value: 'float32', label: 'float32' },
      { value: 'bfloat16', label: 'bfloat16' },
      { value: 'float16', label: 'float16, with loss scaling' },
    ],
  },
  {
    kind: 'choice',
    id: 'tf32',
    label: 'TF32',
    help: 'Whether float32 products on CUDA may round their operands to ten bits, which is faster.',
    otherwise: 'off',
    choices: [
      { value: 'off', label: 'Off' },
      { value: 'on', label: 'On' },
    ],
  },
  {
    kind: 'choice',
    id: 'recompute',
    label: 'Recompute',
    help: 'What is computed twice to save memory: nothing, attention scores (by itself from 512 tokens on), or every block.',
    otherwise: 'auto',
    choices: [
      { value: 'auto', label: 'By itself' },
      { value: 'off', label: 'Nothing' },
      { value: 'attention', label: 'Attention' },
      { value: 'full', label: 'Every block' },
    ],
  },
  number('decay', 'Weight decay', 'Pull of matrices towards zero, decoupled from the gradient.', 0, 10),
  number('clip', 'Clip', 'Largest gradient norm; 0 turns it off.', 0, 1e6),
  number('floor', 'Floor', 'The last learning rate as a share of the peak.', 0, 1),
  number('cooldown', 'Cool-down', 'Share of the steps over which warm-up–stable–decay falls.', 0, 1),
  number('beta1', 'Beta 1', 'Memory of the mean gradient (AdamW).', 0, 0.99999),
  number('beta2', 'Beta 2', 'Memory of the mean square gradient (AdamW).', 0, 0.99999999),
  number(
    'eps',
    'Epsilon',
    'Added to the root of the mean square (AdamW); above 0, so that what never had a gradient stays.',
    1e-30,
    1,
  ),
  number('momentum', 'Momentum', 'Memory of the gradient (Muon, SGD).', 0, 0.99999),
  number(
    'ema',
    'Average, moving',
    'Keep a moving average of the weights with this memory, such as 0.999; 0 keeps none.',
    0,
    0.9999999,
  ),
  number(
    'average',
    'Average, latest',
    'Keep the mean of so many of the newest saved checkpoints; 0 keeps none.',
    0,
    100,
    { unit: 'checkpoints', whole: true },
  ),
  number(
    'distill',
    'Distil',
    'How much of the first step follows the predictions of the source it was grown from; fades to nothing at the end.',
    0,
    1,
  ),
  number(
    'temperature',
    'Temperature',
    'At which the source\u2019s predictions are compared; higher listens to its unlikely words too.',
    0.01,
    100,
  ),
  number(
    'skip',
    'Skip',
    'Leave out a step whose loss or gradient norm is so many deviations over the last 128; 0 leaves out only what is not finite.',
    0,
    1e6,
    { unit: 'deviations' },
  ),
  number(
    'rollback',
    'Roll back',
    'Steps left out in a row before the run goes back to its last saved state.',
    1,
    1e6,
    { unit: 'steps', whole: true },
  ),
  number('patience', 'Patience', 'Times of going back without progress before the run stops.', 0, 1e6, {
    unit: 'times',
    whole: true,
  }),
  {
    kind: 'choice',
    id: 'rates',
    label: 'Rates',
    help: 'Whether grown weights learn at the pace that continues their source.',
    otherwise: 'plan',
    choices: [
      { value: 'plan', label: 'From the growth plan' },
      { value: 'plain', label: 'One for all' },
    ],
  },
  {
    kind: 'choice',
    id: 'start',
    label: 'Start from',
    help: 'Random weights of the same size are the fair comparison.',
    otherwise: 'source',
    choices: [
      { value: 'source', label: 'The checkpoint' },
      { value: 'random', label: 'Random weights' },
    ],
  },
  number('seed', 'Seed', 'Of the order of the data and of random weights.', 0, Number.MAX_SAFE_INTEGER, {
    whole: true,
  }),
  number(
    'budgetMoney',
    'Budget, money',
    'Save and stop once so much is spent at the price you gave; 0 for no bound. Resuming grants it once more.',
    0,
    1e9,
    { unit: 'US$' },
  ),
  number(
    'budgetHours',
    'Budget, time',
    'Save and stop after so many hours of the device; 0 for no bound.',
    0,
    1e6,
    { unit: 'hours' },
  ),
  number(
    'budgetTokens',
    'Budget, tokens',
    'Save and stop after so many tokens, the schedule unchanged; 0 for no bound.',
    0,
    1e13,
    { unit: 'tokens', whole: true },
  ),
  number('saveEvery', 'Save every', 'A complete checkpoint every so many steps; 0 only at the end.', 0, 1e9, {
    unit: 'steps',
    whole: true,
  }),
  number(
    'evaluateEvery',
    'Evaluate every',
    'Loss on held-out text every so many steps; 0 only at both ends.',
    0,
    1e9,
    { unit: 'steps', whole: true },
  ),
  number('heldOut', 'Held out', 'Share of the text kept for evaluation.', 0, 0.5),
  number(
    'sampleEvery',
    'Sample every',
    'The model writes a few words every so many steps; 0 only at the end.',
    0,
    1e9,
    { unit: 'steps', whole: true },
  ),
  number('threads', 'Threads', 'Processor threads; 0 takes all physical cores.', 0, 1024, { whole: true }),
];
