/** @file What a run is asked to do, as data: the settings of training, each described once for page, command line and check. */
import type { DeviceChoice } from '../base/device.ts';
import type { Option } from '../base/option.ts';

export type { DeviceChoice, DeviceKind } from '../base/device.ts';

export type Schedule = 'constant' | 'cosine' | 'wsd';

/** `settings.json` of a run holds these. */
export interface TrainingSettings {
  /** Target tokens to train on in all. */
  readonly tokens: number;
  /** Sequences per device batch. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly sequence: number;
  /** Device batches per update. */
  readonly accumulate: number;
  /** Peak learning rate. */
  readonly lr: number;
  readonly schedule: Schedule;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Weight decay of matrices and tables (decoupled). */
  readonly decay: number;
  /** Largest global gradient norm; 0 for no clipping. */
  readonly clip: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Share of the steps over which `wsd` decays, at its end. */
  readonly cooldown: number;
  /** Last learning rate of `cosine` and `wsd` as a share of the peak. */
  readonly floor: number;
  /** `plan`: learning rate and decay of each weight follow the growth plan (methods.md 1.11); `plain`: one for all. */
  readonly rates: 'plan' | 'plain';
  /** `source`: the checkpoint's weights; `random`: the same size from random weights. */
  readonly start: 'source' | 'random';
  readonly seed: number;
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
  tokens: 1_000_000, batch: 8, sequence: 256, accumulate: 1, lr: 3e-4, schedule: 'cosine', warmup: 20, decay: 0.1, clip: 1, beta1: 0.9, beta2: 0.95, eps: 1e-8,
  cooldown: 0.2, floor: 0.1, rates: 'plan', start: 'source', seed: 0, device: 'auto', saveEvery: 200, evaluateEvery: 100, heldOut: 0.02, sampleEvery: 100, prompt: '', threads: 0,
};

const number = (id: keyof TrainingSettings, label: string, help: string, min: number, max: number, more: { unit?: string; whole?: boolean } = {}): Option =>
  ({ kind: 'number', id, label, help, min, max, otherwise: trainingDefaults[id] as number, ...more });

/** The settings a person changes, in the order in which they are shown. */
export const trainingOptions: readonly Option[] = [
  number('tokens', 'Tokens', 'How many tokens to train on in all; the run ends there.', 1, 1e13, { unit: 'tokens', whole: true }),
  number('batch', 'Batch', 'Sequences computed at once; more is faster until memory is full.', 1, 65536, { unit: 'sequences', whole: true }),
  number('sequence', 'Sequence', 'How far the model can look back; cost grows with it.', 2, 1_048_576, { unit: 'tokens', whole: true }),
  number('accumulate', 'Accumulate', 'Batches per update: a larger effective batch without more memory.', 1, 65536, { unit: 'batches', whole: true }),
  number('lr', 'Learning rate', 'The peak; grown weights scale it by their own factor.', 1e-9, 10),
  { kind: 'choice', id: 'schedule', label: 'Schedule', help: 'How the learning rate falls after the warm-up.', otherwise: 'cosine',
    choices: [{ value: 'constant', label: 'Constant' }, { value: 'cosine', label: 'Cosine' }, { value: 'wsd', label: 'Warm-up, stable, decay' }] },
  number('warmup', 'Warm-up', 'Steps over which the learning rate rises from zero.', 0, 1e9, { unit: 'steps', whole: true }),
  number('decay', 'Weight decay', 'Pull of matrices towards zero, decoupled from the gradient.', 0, 10),
  number('clip', 'Clip', 'Largest gradient norm; 0 turns it off.', 0, 1e6),
  number('floor', 'Floor', 'The last learning rate as a share of the peak.', 0, 1),
  number('cooldown', 'Cool-down', 'Share of the steps over which warm-up–stable–decay falls.', 0, 1),
  number('beta1', 'Beta 1', 'Memory of the mean gradient (AdamW).', 0, 0.99999),
  number('beta2', 'Beta 2', 'Memory of the mean square gradient (AdamW).', 0, 0.99999999),
  number('eps', 'Epsilon', 'Added to the root of the mean square (AdamW).', 0, 1),
  { kind: 'choice', id: 'rates', label: 'Rates', help: 'Whether grown weights learn at the pace that continues their source.', otherwise: 'plan',
    choices: [{ value: 'plan', label: 'From the growth plan' }, { value: 'plain', label: 'One for all' }] },
  { kind: 'choice', id: 'start', label: 'Start from', help: 'Random weights of the same size are the fair comparison.', otherwise: 'source',
    choices: [{ value: 'source', label: 'The checkpoint' }, { value: 'random', label: 'Random weights' }] },
  number('seed', 'Seed', 'Of the order of the data and of random weights.', 0, Number.MAX_SAFE_INTEGER, { whole: true }),
  number('saveEvery', 'Save every', 'A complete checkpoint every so many steps; 0 only at the end.', 0, 1e9, { unit: 'steps', whole: true }),
  number('evaluateEvery', 'Evaluate every', 'Loss on held-out text every so many steps; 0 only at both ends.', 0, 1e9, { unit: 'steps', whole: true }),
  number('heldOut', 'Held out', 'Share of the text kept for evaluation.', 0, 0.5),
  number('sampleEvery', 'Sample every', 'The model writes a few words every so many steps; 0 only at the end.', 0, 1e9, { unit: 'steps', whole: true }),
  number('threads', 'Threads', 'Processor threads; 0 takes all physical cores.', 0, 1024, { whole: true }),
];
