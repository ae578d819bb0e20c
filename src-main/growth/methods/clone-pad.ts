/**
 * @file Any width: as many whole copies as fit, the rest padded. Exact like its two halves. methods.md 1.6
 * and 7.3.
 */
import { tile } from '../../tensor/axis-map.ts';
import { breakingNotes, breakingOf, breakingOptions, breakingReasons } from './symmetry-breaking.ts';
import { plain, type GrowthMethod } from '../method.ts';
import { paddable, unheard, unheardReasons } from './expand.ts';

export const clonePad: GrowthMethod = {
  id: 'clone-pad',
  title: 'Clone and pad',
  summary:
    'Any size: whole copies of every unit as often as they fit, and for the rest new units that start unheard.',
  paper: 'arXiv:2310.07999',
  unsure:
    'Of the paper only the abstract and public code could be read. That this keeps the function is shown by the certificate, not taken from the paper.',
  options: breakingOptions,
  grows: paddable,
  carry: ({ from, to }) => tile(from, to),
  fill: unheard,
  finish: (options) => ({ ...plain, ...breakingOf(options) }),
  promise: (family, options, grown) => ({
    kind: 'exact',
    why: [
      'Old entries become equal copies, and readers divide by their number.',
      ...unheardReasons(family, grown),
      'New inner units are read with weight zero.',
      ...breakingReasons(options),
    ],
  }),
  notes: ({ from, to }, options) =>
    paddable.some((axis) => (to[axis] ?? 0) >= 2 * (from[axis] ?? Infinity)) ? breakingNotes(options) : [],
};
