/** @file The tuning form: how many trials, and the growth that the values are transferred to. */
import type { OptionValue } from '../../src-main/base/option.ts';
import type { CheckpointSummary } from '../../src-main/contract/schema.ts';
import { maxTrials, type TuneRequest } from '../../src-main/contract/tune.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { multiplySizes } from '../../src-main/growth/plan/sizes.ts';
import type { Option } from '../../src-main/base/option.ts';

/** Methods that widen a model. */
const wideners = [...methods.values()].filter(
  ({ grows }) => grows.includes('hidden') && grows.includes('ffn'),
);

const noGrowth = 'none';

/** The fields of the form that are no training settings. */
export const tuneOptions: readonly Option[] = [
  {
    kind: 'number',
    id: 'trials',
    label: 'Trials',
    help: 'Most trials at the width of the source. 0 makes the coordinate check alone.',
    min: 0,
    max: maxTrials,
    integer: true,
    default: 16,
  },
  {
    kind: 'choice',
    id: 'method',
    label: 'Grow by',
    help: 'The growth that the values are transferred to. Its own options have their defaults.',
    choices: [
      { value: noGrowth, label: 'No growth' },
      ...wideners.map(({ id, title }) => ({ value: id, label: title })),
    ],
    default: noGrowth,
  },
  {
    kind: 'number',
    id: 'factor',
    label: 'Width',
    help: 'Multiplies the width of the residual stream and of the MLP.',
    min: 1,
    max: 64,
    integer: false,
    default: 2,
    unit: 'times',
  },
  {
    kind: 'number',
    id: 'transferTrials',
    label: 'Transfer trials',
    help: 'Trials at the grown width, at rates around the best. They show whether it stays.',
    min: 0,
    max: maxTrials,
    integer: true,
    default: 5,
  },
  {
    kind: 'choice',
    id: 'coordinateCheck',
    label: 'Coordinate check',
    help: 'Measures on random models of several widths whether activations stay flat by µP.',
    choices: [
      { value: 'on', label: 'On' },
      { value: 'off', label: 'Off' },
    ],
    default: 'on',
  },
];

export class TuneState {
  readonly checkpoint: CheckpointSummary;
  values = $state.raw<Readonly<Record<string, OptionValue>>>(
    Object.fromEntries(tuneOptions.map((option) => [option.id, option.default])),
  );
  hasGrowth = $derived(this.values['method'] !== noGrowth);
  options = $derived(
    tuneOptions.filter(({ id }) => this.hasGrowth || (id !== 'factor' && id !== 'transferTrials')),
  );

  constructor(checkpoint: CheckpointSummary) {
    this.checkpoint = checkpoint;
  }

  setValue(id: string, value: OptionValue): void {
    this.values = { ...this.values, [id]: value };
  }

  /** The part of the request that is not the text and the settings. Throws for a factor that gives no whole sizes. */
  get request(): Pick<TuneRequest, 'trials' | 'transferTrials' | 'coordinateCheck' | 'grow'> {
    const { trials, transferTrials, coordinateCheck, method, factor } = this.values;
    const growth = (): GrowthRequest => ({
      method: String(method),
      to: multiplySizes({ hidden: Number(factor), ffn: Number(factor) }, this.checkpoint.dims),
      options: {},
      seed: 0,
      dtype: 'keep',
    });
    return {
      trials: Number(trials),
      transferTrials: Number(transferTrials),
      coordinateCheck: coordinateCheck === 'on',
      ...(this.hasGrowth ? { grow: growth() } : {}),
    };
  }
}
