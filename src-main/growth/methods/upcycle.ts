/**
 * @file Sparse upcycling: the MLP of every layer as experts, whole or in slices, and a random router that
 * chooses among them. methods.md 7.8.
 */
import { keep } from '../../tensor/axis-map.ts';
import type { OptionValues } from '../../base/option.ts';
import { computeSliceScale } from '../plan/mixture-limits.ts';
import { defaultRules, type GrowthMethod, type MixtureSettings } from '../method.ts';

const sums = (options: OptionValues): boolean => options['weights'] !== 'shares';
const number = (options: OptionValues, id: string): number => Number(options[id]);

function mixes(options: OptionValues): MixtureSettings {
  const [experts, active, shards] = ['experts', 'active', 'shards'].map((id) => number(options, id)) as [
    number,
    number,
    number,
  ];
  const by = computeSliceScale(experts, active, shards, sums(options));
  const [outputs, inputs] =
    options['scale'] === 'outputs'
      ? [by, 1]
      : options['scale'] === 'thirds'
        ? [Math.cbrt(by), Math.cbrt(by)]
        : [1, 1];
  return {
    experts,
    expertsPerToken: active,
    shards,
    normTopkProb: sums(options),
    outputScale: outputs,
    inputScale: inputs,
    auxLossCoef: number(options, 'balance'),
    routerStd: number(options, 'router'),
  };
}

/** Whether the chosen experts say just what the MLP said. */
const exact = (options: OptionValues): boolean => {
  const { shards } = mixes(options);
  return sums(options) && (shards === 1 || options['scale'] === 'outputs');
};

export const upcycle: GrowthMethod = {
  id: 'upcycle',
  title: 'Upcycling to experts',
  summary:
    'Every MLP becomes many experts, of which a token reads a few: many more parameters at little more work for each token.',
  paper: 'arXiv:2212.05055',
  caveat:
    'The paper was not read: the plain form is general knowledge. Of the one that cuts slices (arXiv:2410.07524) only the abstract and NVIDIA’s code could be read.',
  options: [
    {
      id: 'experts',
      label: 'Experts',
      kind: 'number',
      min: 2,
      max: 1024,
      integer: true,
      default: 8,
      help: 'How many each layer has in all, slices counted one by one.',
    },
    {
      id: 'active',
      label: 'Experts per token',
      kind: 'number',
      min: 1,
      max: 1024,
      integer: true,
      default: 2,
      help: 'How many of them a token reads; a multiple of the slices.',
    },
    {
      id: 'shards',
      label: 'Slices of an MLP',
      kind: 'number',
      min: 1,
      max: 256,
      integer: true,
      default: 1,
      help: '1 makes whole copies; more makes finer experts, whose slices start in groups that are chosen together.',
    },
    {
      id: 'weights',
      label: 'Weights of the chosen',
      kind: 'choice',
      default: 'sum',
      help: 'Families that cannot choose make them sum to one.',
      choices: [
        { value: 'sum', label: 'made to sum to one' },
        { value: 'shares', label: 'their shares among all experts (not exact)' },
      ],
    },
    {
      id: 'scale',
      label: 'Scale of slices',
      kind: 'choice',
      default: 'outputs',
      help: 'Chosen slices hold only a part of the MLP’s output each; what makes up for it.',
      choices: [
        { value: 'outputs', label: 'on what they write (exact)' },
        { value: 'thirds', label: 'spread over all three weights, as in the paper' },
        { value: 'none', label: 'nothing' },
      ],
    },
    {
      id: 'router',
      label: 'Deviation of the router',
      kind: 'number',
      min: 1e-6,
      max: 10,
      default: 0.02,
      help: 'Of its random weights; never zero, or every token would choose the same experts.',
    },
    {
      id: 'balance',
      label: 'Load balance',
      kind: 'number',
      min: 0,
      max: 1,
      default: 0.001,
      help: 'What share of the experts’ uneven use training adds to the loss; 0 for none.',
    },
  ],
  grows: [],
  sizesFromOptions: (_, __, options) => ({ experts: number(options, 'experts') }),
  mapAxis: ({ from }) => keep(from),
  fill: () => 'zero',
  mixture: mixes,
  weightRules: () => defaultRules,
  promise: (_, options) => {
    const { shards } = mixes(options);
    const copies =
      shards === 1
        ? 'Every expert is the MLP itself'
        : 'The slices of an MLP have equal router rows and are chosen together';
    if (exact(options))
      return {
        kind: 'exact',
        why: [
          `${copies}, and the weights of the chosen sum to one: whatever the router says, together they say what the MLP said.`,
        ],
      };
    return {
      kind: 'approximate',
      why: sums(options)
        ? [
            options['scale'] === 'none'
              ? 'Chosen slices together write only a part of what the MLP wrote.'
              : 'A factor before the activation is not the same as one after it.',
          ]
        : [
            'Weights that are shares among all experts sum to another number for every token; only their mean is made up for.',
          ],
    };
  },
  notes: ({ to }, options) => [
    'Experts start equal and part only because the router sends them different tokens; training adds to the loss how unevenly they are used, as config.json says under router_aux_loss_coef.',
    ...(to['ffn']! % 8 === 0
      ? []
      : [
          `Experts of ${to['ffn']!} units are not a multiple of 8: to read them, transformers needs experts_implementation="eager".`,
        ]),
    ...(number(options, 'active') === 1 && sums(options) && number(options, 'balance') > 0
      ? ['Where one expert is chosen with weight one, the router learns to balance and nothing else.']
      : []),
    ...(number(options, 'shards') > 1
      ? [
          'Slices of one MLP have equal ratings at first, so that a training in few bits can mix their groups where ratings tie.',
        ]
      : []),
  ],
};
