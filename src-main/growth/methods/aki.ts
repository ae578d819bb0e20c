/**
 * @file Advanced knowledge initialization (bert2BERT): new units copy units of the next layer (docs/methods.md,
 * aki).
 */
import { defaultRules, type GrowthMethod } from '../method.ts';
import { replicateUnits } from './net2net.ts';

export const aki: GrowthMethod = {
  id: 'aki',
  title: 'Advanced knowledge (AKI)',
  summary:
    'Like Net2Net, but further copies of a unit come from the next layer, so that they differ in all layers but ' +
    'the last. Not function-preserving.',
  paper: 'arXiv:2110.07143',
  caveat: 'Follows the abstract and public code; the two-stage training of the paper is not implemented.',
  options: [],
  grows: ['ffn', 'heads', 'kv_heads', 'group'],
  copiesNextLayer: true,
  mapAxis: replicateUnits,
  fill: () => 'zero',
  weightRules: () => defaultRules,
  notes({ from, to }) {
    const notes = [
      'The last layer has no next layer: its copies are equal and stay identical in training, because this method ' +
        'has no symmetry breaking. The width added there is wasted.',
    ];
    const tripled = aki.grows.filter((axis) => (to[axis] ?? 0) > 2 * (from[axis] ?? Infinity));
    if (tripled.length > 0)
      notes.push(
        `${tripled.join(' and ')} more than doubled: the second and later copies of a unit all come from the same ` +
          'unit of the next layer, are equal, and stay identical too.',
      );
    return notes;
  },
  promise: () => ({
    kind: 'none',
    why: [
      'New units compute what units of the next layer compute, and share output weights with the old ones.',
      'The last layer has no next layer and copies its own units.',
    ],
  }),
};
