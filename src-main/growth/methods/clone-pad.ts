/**
 * @file Any width: as many whole copies as fit, the rest padded. Exact like its two halves. methods.md 1.6
 * and 7.3.
 */
import { tile } from '../../tensor/axis-map.ts';
import {
  warnWithoutSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  explainSymmetryBreaking,
} from './symmetry-breaking.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import { paddableAxes, fillWithoutEffect, explainStreamPadding } from './expand.ts';

export const clonePad: GrowthMethod = {
  id: 'clone-pad',
  title: 'Clone and pad',
  summary:
    'Any size: whole copies of every unit as often as they fit, and for the rest new units that start unheard.',
  paper: 'arXiv:2310.07999',
  caveat:
    'Of the paper only the abstract and public code could be read. That this keeps the function is shown by the certificate, not taken from the paper.',
  options: symmetryBreakingOptions,
  grows: paddableAxes,
  mapAxis: ({ from, to }) => tile(from, to),
  fill: fillWithoutEffect,
  weightRules: (options) => ({ ...defaultRules, ...readSymmetryBreaking(options) }),
  promise: (family, options, grown) => ({
    kind: 'exact',
    why: [
      'Old entries become equal copies, and readers divide by their number.',
      ...explainStreamPadding(family, grown),
      'New inner units are read with weight zero.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes: ({ from, to }, options) =>
    paddableAxes.some((axis) => (to[axis] ?? 0) >= 2 * (from[axis] ?? Infinity))
      ? warnWithoutSymmetryBreaking(options)
      : [],
};
