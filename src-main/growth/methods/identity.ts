/**
 * @file Depth by new layers that initially add nothing: copies of their neighbours, spread evenly over the depth
 * (block expansion; docs/methods.md, identity).
 */
import { keep } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import type { LayerSource } from '../recipe.ts';

export const identity: GrowthMethod = {
  id: 'identity',
  title: 'Identity layers',
  summary: 'New layers between the old ones: copies of their neighbours with zero-initialised outputs.',
  paper: 'arXiv:2401.02415',
  options: [],
  grows: ['layers'],
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  /** New layer j of n follows the layer at j/n of the depth. */
  mapLayers(from, to) {
    const added = to - from;
    const addedAfter = new Map<number, number>();
    for (let j = 1; j <= added; j++) {
      const layer = Math.ceil((j * from) / added) - 1;
      addedAfter.set(layer, (addedAfter.get(layer) ?? 0) + 1);
    }
    return Array.from({ length: from }, (_, source): LayerSource[] => {
      const copies = Array.from({ length: addedAfter.get(source) ?? 0 }, () => ({ source, identity: true }));
      return [{ source, identity: false }, ...copies];
    }).flat();
  },
  weightRules: () => defaultRules,
  promise: (family) =>
    family.stream.postNorm
      ? {
          kind: 'none',
          why: [
            'New layers add zeros to the stream but normalize it again, which changes normalized values by about ' +
              'eps.',
          ],
        }
      : {
          kind: 'function-preserving',
          why: ['New layers add zeros to the stream, so all later layers get the same input.'],
        },
};
