/** @file Expansion to any size: old units keep their place, new ones are heard by nobody at first. methods.md 1.6 to 1.9 and 6. */
import { pad } from '../../tensor/axis-map.ts';
import { plain, type GrowthMethod } from '../method.ts';

export const expand: GrowthMethod = {
  id: 'expand',
  title: 'Expansion',
  summary: 'Any size at all: old units keep their place, new ones start random but unheard.',
  paper: 'arXiv:2308.06103',
  options: [],
  grows: ['hidden', 'ffn', 'heads', 'kv_heads', 'group'],
  carry: ({ from, to }) => pad(from, to),
  fill({ family, kind, axis, role }) {
    if (kind === 'gain') return 'one';
    if (kind === 'shift') return 'zero';
    const streamed = axis === family.stream.axis;
    if (streamed && role === 'out') return family.stream.norm === 'layer' ? 'mean' : 'zero';
    if (kind === 'bias') return 'zero';
    return streamed === (role === 'in') ? 'draw' : 'zero';   // beside each zero stands a drawn entry: both zero would never learn
  },
  finish: () => plain,
  promise: (family) => ({
    kind: 'exact',
    why: [
      family.stream.norm === 'layer'
        ? 'New entries of the stream carry its mean, so layer norms see the same mean and, after stretching, the same variance.'
        : 'New entries of the stream are zero, so norms see the same mean square after stretching.',
      'New inner units are read with weight zero.',
    ],
  }),
};
