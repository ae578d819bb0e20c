/**
 * @file Advanced knowledge initialization (bert2BERT): replicated units take their weights from the layer
 * after theirs. methods.md 7.2.
 */
import { defaultRules, type GrowthMethod } from '../method.ts';
import { replicateUnits } from './net2net.ts';

export const aki: GrowthMethod = {
  id: 'aki',
  title: 'Advanced knowledge (AKI)',
  summary:
    'As Net2Net, but new units come from the next layer: not the same function, and no two units alike.',
  paper: 'arXiv:2110.07143',
  caveat:
    'Of the paper only the abstract and public code could be read; its results depend on a training in two stages, which is not made here.',
  options: [],
  grows: ['ffn', 'heads', 'kv_heads', 'group'],
  copiesNextLayer: true,
  mapAxis: replicateUnits,
  fill: () => 'zero',
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'approximate',
    why: [
      'New units say what units of the next layer would, and share the weights of their readers with the old ones.',
      'The last layer has no next one and is replicated from itself.',
    ],
  }),
};
