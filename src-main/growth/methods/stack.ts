/** @file Depth by stacking copies of the whole model (G_stack; docs/methods.md, stack). */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const stack: GrowthMethod = {
  id: 'stack',
  title: 'Stacking',
  summary:
    'Repeats all layers a whole number of times. Not function-preserving: the loss jumps, and training recovers ' +
    'it quickly.',
  paper: 'arXiv:2405.15319',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers(from, to) {
    const below = Math.floor(to / from) * from;
    if (to !== below) return { nearest: [below, below + from].filter((n) => n > from) };
    return Array.from({ length: to }, (_, i) => ({ source: i % from, identity: false }));
  },
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'none',
    why: ['Every layer acts again on the output of all layers, which it never saw in training.'],
  }),
  notes: () => [
    'Stacking was studied from early checkpoints, with about four times the layers; from a fully trained model ' +
      'the loss starts higher. Warm up the learning rate again.',
  ],
};
