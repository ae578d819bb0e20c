/**
 * @file Depth: copies of neighbouring layers that add nothing at first, spread evenly over the depth (block
 * expansion). methods.md 7.1.
 */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import type { LayerSource } from '../recipe.ts';

export const identity: GrowthMethod = {
  id: 'identity',
  title: 'Identity layers',
  summary: 'New layers between the old ones, each a copy of its neighbour whose output starts silent.',
  paper: 'arXiv:2401.02415',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  /** The j-th of n new layers follows the layer at j/n of the depth. */
  mapLayers(from, to) {
    const fresh = to - from;
    const after = new Map<number, number>();
    for (let j = 1; j <= fresh; j++) {
      const at = Math.ceil((j * from) / fresh) - 1;
      after.set(at, (after.get(at) ?? 0) + 1);
    }
    return Array.from({ length: from }, (_, source): LayerSource[] => [
      { source, identity: false },
      ...Array.from({ length: after.get(source) ?? 0 }, () => ({ source, identity: true })),
    ]).flat();
  },
  weightRules: () => defaultRules,
  promise: (family) =>
    family.stream.postNorm
      ? {
          kind: 'approximate',
          why: [
            'New layers write zeros into the stream, but norm it again; of what is normed already that changes about as much as eps.',
          ],
        }
      : {
          kind: 'exact',
          why: ['New layers write zeros into the stream, so everything after them sees what it saw before.'],
        },
};
