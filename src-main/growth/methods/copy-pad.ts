/**
 * @file Copy and pad: old values as they are in the corner of larger weights, zeros or small random values
 * around them. methods.md 4.
 */
import type { OptionValues } from '../../base/option.ts';
import type { ModelFamily } from '../../model/family.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import { explainDeadHeads, expand, fillWithoutEffect } from './expand.ts';

const exact = (options: OptionValues): boolean => options['exact'] === 'on';
const keep = { eps: 'keep' };

/** Whether a norm or the scale of scores reads along a grown axis. */
const normed = (family: ModelFamily, grown: readonly string[]): boolean =>
  grown.includes(family.stream.axis) ||
  grown.includes(family.scores.over) ||
  Object.values(family.tensors).some(
    (spec) => spec.kind === 'gain' && spec.layout.axes.some(({ axis }) => grown.includes(axis)),
  );

export const copyPad: GrowthMethod = {
  id: 'copy-pad',
  title: 'Copy and pad',
  summary:
    'Old weights untouched in a corner of larger ones, zeros or small noise around them: close to the source, not equal.',
  paper: 'arXiv:2104.11390',
  caveat:
    'Only the opening of the paper could be read: its models, its treatment of norms and its small random values are not known. Random values have the deviation of a new model here, and norms stay as they are.',
  options: [
    {
      id: 'fill',
      label: 'Padding',
      kind: 'choice',
      default: 'random',
      help: 'What stands around the old values; whatever writes into the stream is padded with zeros either way.',
      choices: [
        { value: 'random', label: 'small random values' },
        { value: 'zero', label: 'zeros (most new units then never learn)' },
      ],
    },
    {
      id: 'exact',
      label: 'Exact',
      kind: 'choice',
      default: 'off',
      help: 'Repairs norms, scores and what is read, so that nothing changes: this is the method "expand".',
      choices: [
        { value: 'off', label: 'no: as in the paper' },
        { value: 'on', label: 'yes: the same as Expansion' },
      ],
    },
  ],
  grows: expand.grows,
  allowsFrozen: (family, axis) => expand.allowsFrozen!(family, axis),
  mapAxis: (change) => expand.mapAxis(change, keep),
  fill(place, options) {
    const { family, kind, axis, role } = place;
    if (exact(options) || kind === 'gain' || kind === 'shift') return fillWithoutEffect(place);
    return options['fill'] === 'zero' || kind === 'bias' || (axis === family.stream.axis && role === 'out')
      ? 'zero'
      : 'draw';
  },
  weightRules: (options) => ({ ...defaultRules, preserveBy: exact(options) ? 'stream' : 'none' }),
  promise: (family, options, grown) =>
    exact(options)
      ? expand.promise(family, keep, grown)
      : options['fill'] === 'zero' && grown && !normed(family, grown)
        ? {
            kind: 'exact',
            why: ['New inner units are read with weight zero, and no norm reads more than before.'],
          }
        : {
            kind: 'approximate',
            why: [
              'Norms now average over more entries than carry values, so everything they scale comes out larger.',
              ...(options['fill'] === 'zero' ? [] : ['New inner units are heard at once, if softly.']),
            ],
          },
  deadReason: (family, axis, options) =>
    exact(options)
      ? explainDeadHeads(family, axis)
      : options['fill'] !== 'zero' || (axis === family.stream.axis && family.stream.norm === 'layer')
        ? undefined
        : `new entries of ${axis} are zero where they are written and where they are read, so no gradient reaches them`,
};
