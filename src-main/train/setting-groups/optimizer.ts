/** @file Settings of the optimizer. */
import { optimizerLabels } from '../optimizers/index.ts';
import { choice, integer, real, text } from '../setting.ts';

export const optimizerSettings = {
  lr: real({
    label: 'Learning rate',
    help: 'Peak learning rate. Grown weights multiply it by their own factor.',
    group: 'optimizer',
    isEssential: true,
    default: 3e-4,
    min: 1e-9,
    max: 10,
  }),
  optimizer: choice({
    label: 'Optimizer',
    help: 'AdamW and Muon use the same learning-rate scale; SGD needs a larger one.',
    group: 'optimizer',
    default: 'adamw',
    labels: optimizerLabels,
  }),
  trainable: text({
    label: 'Trainable weights',
    help:
      'Trains all weights, new blocks and new rows and columns alone (new), or names with *, such as "*norm*". ' +
      'The others are frozen.',
    group: 'optimizer',
    isInForm: false,
    default: 'all',
    maxLength: 2000,
  }),
  unfreezeAt: integer({
    label: 'Unfreeze at step',
    help: 'Step after which frozen weights are trained too. 0 keeps them frozen.',
    group: 'optimizer',
    default: 0,
    min: 0,
    max: 1e9,
    unit: 'steps',
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
    help:
      'On: grown weights use the learning rate and weight decay that the growth plan gives them. ' +
      'Off: one learning rate for all.',
    group: 'optimizer',
    default: 'on',
    labels: { on: 'On', off: 'Off' },
    former: { id: 'rates', values: { plan: 'on', plain: 'off' } },
  }),
  mupBase: text({
    label: 'Base widths of µP',
    help:
      'The widths that the learning rate was tuned at, such as "hidden=64 ffn=256 heads=4". Random weights and ' +
      'AdamW’s rates then follow µP, whatever the per-tensor learning rates are; off does not use µP.',
    group: 'optimizer',
    isInForm: false,
    default: 'off',
    maxLength: 500,
  }),
};
