/** @file Shrink, pad, perturb with µP: a warm start that does not try to keep the function. methods.md 5. */
import { pad } from '../../tensor/axis-map.ts';
import { defaultRules, type GrowthMethod, type SharedRecipe, type WeightContext } from '../method.ts';
import { paddableAxes } from './expand.ts';

export const shrinkPerturb: GrowthMethod = {
  id: 'shrink-perturb',
  title: 'Shrink and perturb (µP)',
  summary:
    'Old weights shrunk, padded with zeros and laid over a fresh µP start: the losses begin near those of a new model, the training is the gain.',
  paper: 'arXiv:2411.07340',
  caveat:
    'Only the abstract and code around it could be read: λ = 0.4 is what the authors’ analysis picks; the base width, the plots and whether norms shrink too are not known. Here the source is the base width, and norms are copied.',
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
  ],
  grows: paddableAxes,
  mapAxis: ({ from, to }) => pad(from, to),
  fill: ({ family, key, kind }) =>
    kind === 'gain' ? (key.startsWith(`${family.head.norm ?? ''}.`) ? 'mean' : 'one') : 'zero',
  weightRules: () => ({ ...defaultRules, preserveBy: 'none' }),
  adapt: (weight, _, { lambda }) => parametrized(weight, Number(lambda)),
  promise: () => ({
    kind: 'approximate',
    why: [
      'It is not meant to keep the function: old weights are shrunk and random ones of the new width are added to all of them.',
    ],
  }),
  notes: () => [
    'The first losses are near those of a new model; a small gap at the start is not what this method is chosen for.',
    'Its plan holds learning rates by µP, for the rate that was right at the source’s width; train with the rates of the plan.',
    'The abstract of a later paper of the same group (arXiv:2605.13405) finds growth by a factor of two the most reliable, and gains that shrink with the number of tokens trained.',
  ],
};

/**
 * µP with the source as the base width, without forward multipliers (methods.md 5.2, 5.3): deviation σ/√m and
 * rate 1/m for hidden weights, σ/m and 1/m for what makes logits.
 */
function parametrized(
  { context: change, key, spec, std: deviation }: WeightContext,
  lambda: number,
): Partial<SharedRecipe> {
  const { family, tied, from, to } = change;
  const width = to[family.stream.axis]! / from[family.stream.axis]!;
  const old: Partial<SharedRecipe> = { lrScale: 1, gradScale: 1 };
  const shrunk = { why: 'old weights are shrunk by λ', by: lambda };
  const last = tied && family.head.norm !== undefined && key.startsWith(`${family.head.norm}.`);
  if (last && width !== 1)
    return {
      ...old,
      factors: [
        {
          why: 'the head is the embedding; µP divides what it reads by the growth of its width',
          by: 1 / width,
        },
      ],
      lrScale: 1 / width,
    };
  if (spec.kind === 'lookup') return { ...old, factors: [shrunk], perturbation: deviation };
  if (spec.kind !== 'linear') return old;
  const fan = spec.layout.axes.reduce(
    (product, { axis, role }) => (role === 'in' ? (product * to[axis]!) / from[axis]! : product),
    1,
  );
  const head = key === family.head.weight;
  return {
    ...old,
    factors: [shrunk],
    perturbation: deviation / (head ? fan : Math.sqrt(fan)),
    lrScale: 1 / fan,
  };
}
