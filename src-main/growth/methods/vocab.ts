/** @file More tokens: new rows of the token embedding and of the head (docs/methods.md, vocab). */
import { keep, pad } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const vocab: GrowthMethod = {
  id: 'vocab',
  title: 'Vocabulary',
  summary:
    'More tokens, or a rounder number of them. Old tokens keep their logits; new tokens take a share of the ' +
    'probability.',
  paper: 'Hewitt 2021',
  options: [
    {
      id: 'rows',
      label: 'New tokens',
      kind: 'choice',
      default: 'mean',
      help: 'How the rows of new tokens are initialised.',
      choices: [
        { value: 'mean', label: 'the mean of all tokens' },
        { value: 'draw', label: 'small random values' },
        { value: 'zero', label: 'zeros' },
      ],
    },
    {
      id: 'multiple',
      label: 'Multiple of',
      kind: 'number',
      min: 2,
      max: 65_536,
      integer: true,
      default: null,
      off: 'none',
      help: 'Rounds the number of tokens up. Multiples of 64 or 128 are faster on most devices.',
    },
  ],
  grows: ['vocab'],
  sizesFromOptions(from, requested, { multiple }) {
    if (typeof multiple !== 'number') return {};
    const tokens = requested['vocab'] ?? from['vocab']!;
    return { vocab: Math.ceil(tokens / multiple) * multiple };
  },
  mapAxis: ({ axis, from, to }) => (axis === 'vocab' ? pad(from, to) : keep(from)),
  fill({ kind }, { rows }) {
    if (kind === 'bias' || rows === 'zero') return 'zero';
    return rows === 'draw' ? 'draw' : 'mean';
  },
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'old-logits',
    why: [
      'The logits of all old tokens stay the same.',
      'Their probabilities fall, because new tokens take a share of every softmax: the loss rises by −log of what ' +
        'is left.',
    ],
  }),
  notes(_, { rows }) {
    const tokenizer = 'The tokenizer stays as it is: until it has the new tokens, no text contains them.';
    const zeroLogits =
      'A logit near zero can be far above those of ordinary tokens; the mean of all tokens takes a smaller share ' +
      'of the probability at first.';
    return rows === 'mean' ? [tokenizer] : [tokenizer, zeroLogits];
  },
};
