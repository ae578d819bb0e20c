/** @file HyperCloning: every axis becomes whole copies of itself, readers divide by the number of copies. methods.md 3. */
import { tile } from '../../tensor/axis-map.ts';
import type { GrowthMethod } from '../method.ts';

export const hypercloning: GrowthMethod = {
  id: 'hypercloning',
  title: 'HyperCloning',
  summary: 'Whole copies of every unit, side by side, that together say what one said; noise lets them part ways.',
  paper: 'arXiv:2409.12903',
  options: [
    { id: 'noise', label: 'Noise', kind: 'number', unit: 'dB', min: -10, max: 80, otherwise: 10, off: 'none',
      help: 'Signal-to-noise ratio of noise that cancels between copies; without it the copies stay equal for ever.' },
    { id: 'variant', label: 'Spread', kind: 'choice', otherwise: 'symmetric', help: 'How a copied output reads the copies of its input.',
      choices: [{ value: 'symmetric', label: 'reads all copies alike' }, { value: 'diagonal', label: 'reads its own copy alone' }] },
  ],
  grows: ['hidden', 'ffn', 'heads', 'kv_heads', 'group', 'head_dim'],
  carry: ({ from, to }) => {
    const below = Math.floor(to / from) * from;
    return to % from === 0 ? tile(from, to) : { nearest: below === from ? [2 * from] : [below, below + from] };
  },
  fill: () => 'zero',
  finish: ({ variant, noise }) => ({ spread: variant === 'diagonal' ? 'diagonal' : 'symmetric', noise: typeof noise === 'number' ? noise : null }),
  promise: (_, { noise }) => ({
    kind: 'exact',
    why: [
      'Every hidden vector becomes equal copies of the old one, and norms of copies are copies of norms.',
      ...(noise === null ? [] : ['Noise is added to one copy and taken from the next, so sums over copies stay the same.']),
    ],
  }),
  notes: (_, { noise }) =>
    noise === null ? ['Without noise the copies stay equal for ever: Cambium trains without dropout, so the grown model would learn exactly like the small one. Choose a noise of about 10 dB.'] : [],
};
