/** @file More tokens: new rows of the token table and of the head; what old tokens say stays. */
import { keep, pad } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const vocab: GrowthMethod = {
  id: 'vocab',
  title: 'Vocabulary',
  summary:
    'More tokens, or a rounder number of them: old tokens keep their logits, new ones start as you choose.',
  paper: 'Hewitt 2021',
  options: [
    {
      id: 'rows',
      label: 'New tokens',
      kind: 'choice',
      default: 'mean',
      help: 'What the rows of new tokens start from.',
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
      help: 'Rounds the number of tokens up; tables of 64s and 128s are faster on most devices.',
    },
  ],
  grows: ['vocab'],
  sizesFromOptions: (from, wish, { multiple }) =>
    typeof multiple === 'number'
      ? { vocab: Math.ceil((wish['vocab'] ?? from['vocab']!) / multiple) * multiple }
      : {},
  mapAxis: ({ axis, from, to }) => (axis === 'vocab' ? pad(from, to) : keep(from)),
  fill: ({ kind }, { rows }) =>
    kind === 'bias' ? 'zero' : rows === 'zero' ? 'zero' : rows === 'draw' ? 'draw' : 'mean',
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'exact',
    why: [
      'The logits of all old tokens stay as they were.',
      'Probabilities do not quite: new tokens take their share of every softmax.',
    ],
  }),
  notes: (_, { rows }) => [
    'The tokenizer stays as it is: until it names the new tokens, no text holds them.',
    ...(rows === 'mean'
      ? []
      : [
          'A logit near zero can be far above those of ordinary tokens; the mean of all tokens takes a smaller share of probability at first.',
        ]),
  ],
};
