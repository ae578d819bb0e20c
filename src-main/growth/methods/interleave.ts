/** @file Depth by repeating each layer in place: 0, 0, 1, 1, … (docs/methods.md, interleave). */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const interleave: GrowthMethod = {
  id: 'interleave',
  title: 'Interleaving',
  summary:
    'Repeats each layer directly after itself, evenly spread if the depth is not a multiple. Not ' +
    'function-preserving.',
  paper: 'arXiv:1710.10348',
  caveat:
    'The paper inserts copies of residual blocks in the same order, and then halves the step size of every block, so ' +
    'that two steps go about as far as one did. Here weights are copied unchanged, as public growth code for ' +
    'transformers does, so repeated layers go too far.',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers: (from, to) =>
    Array.from({ length: to }, (_, i) => ({ source: Math.floor((i * from) / to), identity: false })),
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'none',
    why: ['A repeated layer acts twice on the stream, but was trained to act once.'],
  }),
};
