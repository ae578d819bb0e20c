/**
 * @file HyperCloning: every axis becomes whole copies of itself, readers divide by the number of copies.
 * methods.md 3.
 */
import { tile } from '../../tensor/axis-map.ts';
import {
  warnWithoutSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  explainSymmetryBreaking,
} from './symmetry-breaking.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const hypercloning: GrowthMethod = {
  id: 'hypercloning',
  title: 'HyperCloning',
  summary:
    'Whole copies of every unit, side by side, that together say what one said; noise lets them part ways.',
  paper: 'arXiv:2409.12903',
  caveat:
    'The body of the paper could not be read: its learning rates, batches, results of single tasks and its rule for wider heads are not known. The rules are those of its authors’ code; 10 dB and the diagonal variants are from notes of others.',
  options: [
    ...symmetryBreakingOptions,
    {
      id: 'variant',
      label: 'Spread',
      kind: 'choice',
      default: 'symmetric',
      help: 'How a copied output reads the copies of its input.',
      choices: [
        { value: 'symmetric', label: 'reads all copies alike' },
        { value: 'diagonal', label: 'reads its own copy alone' },
      ],
    },
  ],
  grows: ['hidden', 'ffn', 'heads', 'kv_heads', 'group', 'head_dim'],
  mapAxis: ({ from, to }) => {
    const below = Math.floor(to / from) * from;
    return to % from === 0
      ? tile(from, to)
      : { nearest: below === from ? [2 * from] : [below, below + from] };
  },
  fill: () => 'zero',
  weightRules: (options) => ({
    ...defaultRules,
    spread: options['variant'] === 'diagonal' ? 'diagonal' : 'symmetric',
    ...readSymmetryBreaking(options),
  }),
  promise: (_, options) => ({
    kind: 'exact',
    why: [
      'Every hidden vector becomes equal copies of the old one, and norms of copies are copies of norms.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes: (_, options) => warnWithoutSymmetryBreaking(options),
};
