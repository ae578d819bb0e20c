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
    'Like Net2Net, but new units come from the next layer, so no two units are equal. Not function-preserving.',
  paper: 'arXiv:2110.07143',
  caveat: 'Follows the abstract and public code; the two-stage training of the paper is not implemented.',
  options: [],
  grows: ['ffn', 'heads', 'kv_heads', 'group'],
  copiesNextLayer: true,
  mapAxis: replicateUnits,
  fill: () => 'zero',
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'none',
    why: [
      'New units compute what units of the next layer compute, and share output weights with the old ones.',
      'The last layer has no next layer and copies its own units.',
    ],
  }),
};
