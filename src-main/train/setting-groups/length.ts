/** @file Settings of length and batch. */
import { choice, integer, onOff } from '../setting.ts';

export const lengthSettings = {
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
    help:
      'On: tokens attend only to their own document. Off: packed documents attend to earlier ones. ' +
      'Positions count through the sequence in both cases.',
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
    max: Number.MAX_SAFE_INTEGER,
  }),
};
