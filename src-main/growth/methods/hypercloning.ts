/**
 * @file HyperCloning: copies every unit a whole number of times; readers divide by the number of copies
 * (docs/methods.md, hypercloning).
 */
import { tile } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import {
  explainSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  warnWithoutSymmetryBreaking,
} from './symmetry-breaking.ts';

export const hypercloning: GrowthMethod = {
  id: 'hypercloning',
  title: 'HyperCloning',
  summary:
    'Copies every unit a whole number of times; the weights that read the copies are divided by their number. ' +
    'Symmetry breaking by noise.',
  paper: 'arXiv:2409.12903',
  caveat:
    'Follows the authors’ code; learning rates not reproduced. The noise of 10 dB and the diagonal spread come ' +
    'from secondary sources.',
  options: [
    ...symmetryBreakingOptions,
    {
      id: 'variant',
      label: 'Spread',
      kind: 'choice',
      default: 'symmetric',
      help: 'Which copies of the input each copy of an output reads.',
      choices: [
        { value: 'symmetric', label: 'all copies' },
        { value: 'diagonal', label: 'only its own copy' },
      ],
    },
  ],
  grows: ['hidden', 'ffn', 'heads', 'kv_heads', 'group', 'head_dim'],
  mapAxis({ from, to }) {
    if (to % from === 0) return tile(from, to);
    const below = Math.floor(to / from) * from;
    return { nearest: below === from ? [2 * from] : [below, below + from] };
  },
  fill: () => 'zero',
  weightRules: (options) => ({
    ...defaultRules,
    spread: options['variant'] === 'diagonal' ? 'diagonal' : 'symmetric',
    ...readSymmetryBreaking(options),
  }),
  promise: (_, options) => ({
    kind: 'function-preserving',
    why: [
      'Every hidden vector becomes several copies of the old one, and a norm of copies gives copies of the norm.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes: (_, options) => warnWithoutSymmetryBreaking(options),
};
