/**
 * @file Grows to any width: as many whole copies as fit, and padding for the rest. Function-preserving, like
 * cloning and padding (docs/methods.md, clone-pad).
 */
import { tile } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import { explainStreamPadding, fillWithoutEffect, paddableAxes } from './expand.ts';
import {
  explainSymmetryBreaking,
  readSymmetryBreaking,
  symmetryBreakingOptions,
  warnWithoutSymmetryBreaking,
} from './symmetry-breaking.ts';

export const clonePad: GrowthMethod = {
  id: 'clone-pad',
  title: 'Clone and pad',
  summary: 'Any size: as many whole copies of all units as fit, and zero-initialised new units for the rest.',
  paper: 'arXiv:2310.07999',
  caveat:
    'Follows the abstract and public code. That the function is preserved is shown by the certificate, not taken ' +
    'from the paper.',
  options: symmetryBreakingOptions,
  grows: paddableAxes,
  mapAxis: ({ from, to }) => tile(from, to),
  fill: fillWithoutEffect,
  weightRules: (options) => ({ ...defaultRules, ...readSymmetryBreaking(options) }),
  promise: (family, options, grown) => ({
    kind: 'function-preserving',
    why: [
      'Old entries become equal copies, and the weights that read them are divided by their number.',
      ...explainStreamPadding(family, grown),
      'New inner units have output weights of zero.',
      ...explainSymmetryBreaking(options),
    ],
  }),
  notes({ from, to }, options) {
    const hasCopies = paddableAxes.some((axis) => (to[axis] ?? 0) >= 2 * (from[axis] ?? Infinity));
    return hasCopies ? warnWithoutSymmetryBreaking(options) : [];
  },
};
