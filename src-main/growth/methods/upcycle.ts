/**
 * @file Sparse upcycling: the MLP of every layer becomes experts, complete copies or slices, and a randomly
 * initialised router selects among them (docs/methods.md, upcycle).
 */
import { keep } from '../../tensor/axis-map.ts';
import type { OptionValues } from '../../base/option.ts';
import { defaultRules, type GrowthMethod, type MixtureSettings } from '../method.ts';
import { computeSliceScale } from '../plan/mixture-limits.ts';
import type { Promised } from '../recipe.ts';
import { upcycleOptions } from './upcycle-options.ts';

export const upcycle: GrowthMethod = {
  id: 'upcycle',
  title: 'Upcycling to experts',
  summary:
    'Every MLP becomes many experts, of which each token uses a few: many more parameters at little more compute ' +
    'per token.',
  paper: 'arXiv:2212.05055',
  caveat:
    'Follows general descriptions of sparse upcycling. The form with slices (arXiv:2410.07524) follows its ' +
    'abstract and NVIDIA’s code.',
  options: upcycleOptions,
  grows: [],
  sizesFromOptions: (_, __, options) => ({ experts: readNumber(options, 'experts') }),
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mixture: readMixture,
  weightRules: () => defaultRules,
  promise: (_, options) => promiseOfUpcycling(options),
  notes({ to }, options) {
    const { expertsPerToken, shards, normTopkProb, auxLossCoef } = readMixture(options);
    const notes = [
      'Experts start equal and only diverge because the router sends them different tokens. Training adds a ' +
        'load-balancing loss; its coefficient is router_aux_loss_coef in config.json.',
    ];
    if (to['ffn']! % 8 !== 0)
      notes.push(
        `Experts of ${to['ffn']!} units are not a multiple of 8: transformers needs experts_implementation="eager" ` +
          'to load them.',
      );
    if (expertsPerToken === 1 && normTopkProb && auxLossCoef > 0)
      notes.push(
        'With one expert per token and a weight of one, the router only learns to balance the load.',
      );
    if (shards > 1)
      notes.push(
        'Slices of one MLP have equal scores at first, so 16-bit training can mix their groups where scores tie.',
      );
    return notes;
  },
};

const readNumber = (options: OptionValues, id: string): number => Number(options[id]);

function readMixture(options: OptionValues): MixtureSettings {
  const experts = readNumber(options, 'experts');
  const expertsPerToken = readNumber(options, 'active');
  const shards = readNumber(options, 'shards');
  const normTopkProb = options['weights'] !== 'shares';
  const scale = computeSliceScale(experts, expertsPerToken, shards, normTopkProb);
  return {
    experts,
    expertsPerToken,
    shards,
    normTopkProb,
    ...splitScale(scale, options['scale']),
    auxLossCoef: readNumber(options, 'balance'),
    routerStd: readNumber(options, 'router'),
  };
}

/** Puts the scale of slices on the output projection, or on all three projections. */
function splitScale(
  scale: number,
  place: OptionValues[string] | undefined,
): Pick<MixtureSettings, 'outputScale' | 'inputScale'> {
  if (place === 'outputs') return { outputScale: scale, inputScale: 1 };
  if (place === 'thirds') return { outputScale: Math.cbrt(scale), inputScale: Math.cbrt(scale) };
  return { outputScale: 1, inputScale: 1 };
}

function promiseOfUpcycling(options: OptionValues): Promised {
  const { shards, normTopkProb } = readMixture(options);
  if (!normTopkProb)
    return {
      kind: 'none',
      why: [
        'Without normalization the weights of the selected experts have a different sum for every token; only the ' +
          'mean is compensated.',
      ],
    };
  if (shards === 1 || options['scale'] === 'outputs') {
    const experts =
      shards === 1
        ? 'Every expert is a copy of the MLP'
        : 'The slices of an MLP have equal router rows and are selected together';
    return {
      kind: 'function-preserving',
      why: [
        `${experts}, and the weights of the selected experts sum to one: together they compute the MLP, whatever ` +
          'the router selects.',
      ],
    };
  }
  const why =
    options['scale'] === 'none'
      ? 'The selected slices compute only part of the output of the MLP.'
      : 'A factor before the activation function is not the same as one after it.';
  return { kind: 'none', why: [why] };
}
