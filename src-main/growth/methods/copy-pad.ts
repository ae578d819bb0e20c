/**
 * @file Copy and pad: old values in the corner of larger weights, with zeros or small random values around them
 * (docs/methods.md, copy-pad).
 */
import type { OptionValues } from '../../base/option.ts';
import type { ModelFamily } from '../../model/family.ts';
import { defaultRules, type GrowthMethod } from '../method.ts';
import { normalizesStream } from '../plan/post-norm.ts';
import type { Promised } from '../recipe.ts';
import { expand, expandedAxes, explainDeadHeads, fillWithoutEffect } from './expand.ts';

const isExact = (options: OptionValues): boolean => options['exact'] === 'on';

const padsWithZeros = (options: OptionValues): boolean => options['fill'] === 'zero';

const expandOptions = { eps: 'keep', positions: 'keep' };

/** Whether a norm, or the scale of scores, depends on the size of a grown axis. */
const affectsNorms = (family: ModelFamily, grown: readonly string[]): boolean =>
  grown.includes(family.stream.axis) ||
  grown.includes(family.scores.over) ||
  Object.values(family.tensors).some(
    (spec) => spec.kind === 'gain' && spec.layout.axes.some(({ axis }) => grown.includes(axis)),
  );

export const copyPad: GrowthMethod = {
  id: 'copy-pad',
  title: 'Copy and pad',
  summary:
    'Old weights in a corner of larger ones, with zeros or small random values around them. Not ' +
    'function-preserving.',
  paper: 'arXiv:2104.11390',
  caveat:
    'Follows the introduction of the paper; its models, norms and random values are not reproduced. Here random ' +
    'values have the standard deviation of a new model, and norms stay as they are.',
  options: [
    {
      id: 'fill',
      label: 'Padding',
      kind: 'choice',
      default: 'random',
      help: 'The values around the old ones. Weights that write to the stream are always padded with zeros.',
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
      help: 'Corrects norms, scores and inner units to preserve the function, as the method "expand" does.',
      choices: [
        { value: 'off', label: 'no, as in the paper' },
        { value: 'on', label: 'yes, the same as Expansion' },
      ],
    },
  ],
  grows: expandedAxes,
  allowsFrozen: (family, axis) => expand.allowsFrozen!(family, axis),
  mapAxis: (change) => expand.mapAxis(change, expandOptions),
  fill(insertion, options) {
    const { family, kind, axis, role } = insertion;
    if (isExact(options) || kind === 'gain' || kind === 'shift') return fillWithoutEffect(insertion);
    const writesStream = axis === family.stream.axis && role === 'out';
    return padsWithZeros(options) || kind === 'bias' || writesStream ? 'zero' : 'draw';
  },
  weightRules: (options) => ({ ...defaultRules, preserveBy: isExact(options) ? 'stream' : 'none' }),
  promise(family, options, grown) {
    if (isExact(options)) return expand.promise(family, expandOptions, grown);
    return promiseOfPadding(family, padsWithZeros(options), grown);
  },
  deadReason(family, axis, options) {
    if (isExact(options)) return explainDeadHeads(family, axis);
    const hasMeans = axis === family.stream.axis && family.stream.norm === 'layer';
    if (!padsWithZeros(options) || hasMeans) return undefined;
    return `new entries of ${axis} have zero input and output weights, so they get no gradient`;
  },
};

function promiseOfPadding(family: ModelFamily, hasZeros: boolean, grown?: readonly string[]): Promised {
  if (hasZeros && grown && !affectsNorms(family, grown))
    return {
      kind: 'function-preserving',
      why: [
        'New inner units have output weights of zero, and no norm averages over more entries than before.',
      ],
    };
  const why = ['Norms average over more entries than have values, so their outputs are larger.'];
  if (normalizesStream(family) && (!grown || grown.includes(family.stream.axis)))
    why.push(
      'The residual stream is normalized itself, which gives all its new entries one value that is not zero.',
    );
  if (!hasZeros)
    why.push('New inner units have small random output weights, so they have an effect at once.');
  return { kind: 'none', why };
}
