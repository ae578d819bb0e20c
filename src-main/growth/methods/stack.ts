/** @file Depth by stacking: the whole model again on top of itself (G_stack). methods.md 7.1. */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const stack: GrowthMethod = {
  id: 'stack',
  title: 'Stacking',
  summary:
    'All layers again on top of themselves, a whole number of times: a jump in loss that training soon repays.',
  paper: 'arXiv:2405.15319',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers: (from, to) => {
    const below = Math.floor(to / from) * from;
    if (to !== below) return { nearest: [below, below + from].filter((n) => n > from) };
    return Array.from({ length: to }, (_, i) => ({ source: i % from, identity: false }));
  },
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'approximate',
    why: ['Every layer acts again on what all layers have made, which it never saw in training.'],
  }),
  notes: () => [
    'Stacking was studied from early checkpoints, with about four times the layers; from a finished one the loss starts higher. Warm the learning rate up again.',
  ],
};
