/**
 * @file Shrink, pad, perturb with µP: a warm start that does not preserve the function (docs/methods.md,
 * shrink-perturb).
 */
import { pad } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod, type SharedRecipe, type WeightContext } from '../method.ts';
import { paddableAxes } from './expand.ts';

export const shrinkPerturb: GrowthMethod = {
  id: 'shrink-perturb',
  title: 'Shrink and perturb (µP)',
  summary:
    'Old weights are shrunk, padded with zeros and added to a new µP initialisation. Not function-preserving: the ' +
    'loss starts near that of a new model, and the benefit comes in training.',
  paper: 'arXiv:2411.07340',
  caveat:
    'Follows the abstract and related code; λ = 0.4 is from the authors’ analysis. The base width and the ' +
    'treatment of norms are not reproduced: here the source is the base width, and norms are copied.',
  options: [
    {
      id: 'lambda',
      label: 'Shrink λ',
      kind: 'number',
      min: 0,
      max: 1,
      default: 0.4,
      help: 'How much of the old weights is kept: 0 is a new model, 1 is copy and pad with noise.',
    },
    {
      id: 'sigma',
      label: 'Noise σ',
      kind: 'number',
      min: 0,
      max: 4,
      default: 1,
      help: 'Standard deviation of what is added, relative to a µP initialisation: 1 is the method of the paper.',
    },
  ],
  tunable: { lambda: [0.2, 0.6, 0.8, 1], sigma: [0.5, 0.25, 2] },
  grows: paddableAxes,
  mapAxis: ({ from, to }) => pad(from, to),
  fill({ family, key, kind }) {
    if (kind !== 'gain') return 'zero';
    const isLastNorm = key.startsWith(`${family.head.norm ?? ''}.`);
    return isLastNorm ? 'mean' : 'one';
  },
  weightRules: () => ({ ...defaultRules, preserveBy: 'none' }),
  adapt: (weight, _, { lambda, sigma }) => applyMup(weight, Number(lambda), Number(sigma)),
  promise: () => ({
    kind: 'none',
    why: [
      'It is not meant to preserve the function: old weights are shrunk, and random weights of the new width are ' +
        'added to all of them.',
    ],
  }),
  notes: () => [
    'The first losses are near those of a new model; this method is not chosen for a small gap at the start.',
    'Its plan sets learning rates by µP, relative to the best one at the source’s width; train with the rates of ' +
      'the plan.',
    'According to the abstract of a later paper of the same group (arXiv:2605.13405), growth by a factor of two is ' +
      'the most reliable, and the gain shrinks with the number of training tokens.',
  ],
};

/**
 * µP with the source as the base width, without forward multipliers (docs/methods.md, shrink-perturb). With the
 * width multiplied by m, hidden weights have the standard deviation σ/√m and the learning rate 1/m, and weights
 * that make logits σ/m and 1/m.
 */
function applyMup(
  { context, key, spec, std: initStd }: WeightContext,
  lambda: number,
  sigma: number,
): Partial<SharedRecipe> {
  const std = sigma * initStd;
  const { family, tied, from, to } = context;
  const unchanged: Partial<SharedRecipe> = { lrScale: 1, gradScale: 1 };
  const shrink = { why: 'shrinks old weights by λ', by: lambda };
  const width = to[family.stream.axis]! / from[family.stream.axis]!;
  const isNormBeforeTiedHead =
    tied && family.head.norm !== undefined && key.startsWith(`${family.head.norm}.`);
  if (isNormBeforeTiedHead && width !== 1) {
    const why = 'the head is tied to the embedding: µP divides its input by the growth of the width';
    return { ...unchanged, factors: [{ why, by: 1 / width }], lrScale: 1 / width };
  }
  if (spec.kind === 'lookup') return { ...unchanged, factors: [shrink], perturbation: std };
  if (spec.kind !== 'linear') return unchanged;
  const fanInGrowth = spec.layout.axes.reduce(
    (product, { axis, role }) => (role === 'in' ? (product * to[axis]!) / from[axis]! : product),
    1,
  );
  const isHead = key === family.head.weight;
  return {
    ...unchanged,
    factors: [shrink],
    perturbation: std / (isHead ? fanInGrowth : Math.sqrt(fanInGrowth)),
    lrScale: 1 / fanInGrowth,
  };
}
