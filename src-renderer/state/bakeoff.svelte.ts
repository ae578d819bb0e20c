/** @file The bake-off form: the target, the methods, and how long and how often they are tried. */
import type { Option, OptionValue } from '../../src-main/base/option.ts';
import { comparedMethods } from '../../src-main/bakeoff/recipes.ts';
import type { BakeoffRequest } from '../../src-main/contract/bakeoff.ts';
import type { CheckpointSummary } from '../../src-main/contract/schema.ts';
import { multiplySizes } from '../../src-main/growth/plan/sizes.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';

/** Learning rates as multiples of the one of the form. */
const multiplesOf: Readonly<Record<string, readonly number[]>> = {
  one: [1],
  three: [1 / 3, 1, 3],
  five: [1 / 9, 1 / 3, 1, 3, 9],
};

const factor = (id: string, label: string, help: string, value: number): Option => ({
  kind: 'number',
  id,
  label,
  help,
  min: 1,
  max: 64,
  integer: false,
  default: value,
  unit: 'times',
});

/** The fields of the form that are no training settings. */
export const bakeoffOptions: readonly Option[] = [
  factor('hidden', 'Width', 'Multiplies the width of the residual stream.', 2),
  factor('ffn', 'MLP', 'Multiplies the inner units of the MLP.', 2),
  factor('layers', 'Depth', 'Multiplies the layers.', 1),
  {
    kind: 'number',
    id: 'probeTokens',
    label: 'Tokens of a probe',
    help: 'How long the candidates that are left are trained. Half of the learning rates end before.',
    min: 1,
    max: 1e12,
    integer: true,
    default: 2_000_000,
    unit: 'tokens',
  },
  {
    kind: 'number',
    id: 'seeds',
    label: 'Seeds',
    help: 'Orders of the text, and random weights. One says nothing about other orders.',
    min: 1,
    max: 32,
    integer: true,
    default: 2,
  },
  {
    kind: 'choice',
    id: 'rates',
    label: 'Learning rates',
    help: 'How many are tried of each candidate, each three times the one before, around that of the form.',
    choices: [
      { value: 'one', label: 'One' },
      { value: 'three', label: 'Three' },
      { value: 'five', label: 'Five' },
    ],
    default: 'three',
  },
];

export class BakeoffState {
  readonly checkpoint: CheckpointSummary;
  values = $state.raw<Readonly<Record<string, OptionValue>>>(
    Object.fromEntries(bakeoffOptions.map((option) => [option.id, option.default])),
  );
  methods = $state.raw<readonly string[]>(comparedMethods);

  constructor(checkpoint: CheckpointSummary) {
    this.checkpoint = checkpoint;
  }

  setValue(id: string, value: OptionValue): void {
    this.values = { ...this.values, [id]: value };
  }

  toggleMethod(id: string): void {
    const isChosen = this.methods.includes(id);
    this.methods = comparedMethods.filter((other) =>
      other === id ? !isChosen : this.methods.includes(other),
    );
  }

  /** The part of the request that is not the text. Throws for factors that give no whole sizes. */
  requestFor(
    settings: TrainingSettings,
  ): Pick<BakeoffRequest, 'to' | 'methods' | 'growthSeed' | 'settings' | 'probeTokens' | 'seeds' | 'rates'> {
    const { hidden, ffn, layers, probeTokens, seeds, rates } = this.values;
    const times = { hidden: Number(hidden), ffn: Number(ffn), layers: Number(layers) };
    const grown = Object.fromEntries(Object.entries(times).filter(([, multiple]) => multiple !== 1));
    return {
      to: multiplySizes(grown, this.checkpoint.dims),
      methods: [...this.methods],
      growthSeed: 0,
      settings: { ...settings },
      probeTokens: Number(probeTokens),
      seeds: Number(seeds),
      rates: multiplesOf[String(rates)]!.map((multiple) => Number((settings.lr * multiple).toPrecision(3))),
    };
  }
}
