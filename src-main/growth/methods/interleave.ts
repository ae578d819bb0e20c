/** @file Depth by repeating each layer where it stands (0, 0, 1, 1, …). methods.md 7.1. */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';

export const interleave: GrowthMethod = {
  id: 'interleave',
  title: 'Interleaving',
  summary:
    'Each layer again right after itself, spread evenly where the number is not a multiple: close to the source, not equal.',
  paper: 'arXiv:1710.10348',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mapLayers: (from, to) =>
    Array.from({ length: to }, (_, i) => ({ source: Math.floor((i * from) / to), identity: false })),
  weightRules: () => defaultRules,
  promise: () => ({
    kind: 'approximate',
    why: ['A repeated layer acts twice on the stream, where it was trained to act once.'],
  }),
};
