/** @file The optimizers, and the update rule that each uses for a weight. */
import type { ModelFamily } from '../../model/family.ts';
import type { Parameter } from '../../model/parameters.ts';
import { adamw } from './adamw.ts';
import { muon } from './muon.ts';
import type { Rule, RuleId, StatePart } from './rule.ts';
import { sgd } from './sgd.ts';

export type { Factors, Hyperparameters, KernelMove, Rule, RuleId, StatePart, StepValues } from './rule.ts';

export const rules: Readonly<Record<RuleId, Rule>> = { adamw, muon, sgd };

interface Optimizer {
  readonly label: string;
  rule(family: ModelFamily, parameter: Parameter): RuleId;
}

const optimizers = {
  adamw: { label: 'AdamW', rule: () => 'adamw' },
  /** Its author advises AdamW for embeddings, head, norms and biases. */
  muon: {
    label: 'Muon (AdamW for non-matrix weights)',
    rule: ({ head }, { key, spec, shape }) =>
      spec.kind === 'linear' && key !== head.weight && shape.length === 2 ? 'muon' : 'adamw',
  },
  sgd: { label: 'SGD with momentum', rule: () => 'sgd' },
} as const satisfies Readonly<Record<string, Optimizer>>;
export type OptimizerId = keyof typeof optimizers;

export const optimizerIds = Object.keys(optimizers) as readonly OptimizerId[];

export const optimizerLabels = Object.fromEntries(
  optimizerIds.map((id) => [id, optimizers[id].label]),
) as Readonly<Record<OptimizerId, string>>;

export const ruleOf = (optimizer: OptimizerId, family: ModelFamily, parameter: Parameter): RuleId =>
  optimizers[optimizer].rule(family, parameter);

/** The state parts of a bucket: weights, and unless it is frozen moments, and `ema` where a moving average is kept. */
export const partsOf = (
  { rule, isFrozen }: { readonly rule: RuleId; readonly isFrozen?: true },
  { emaDecay = 0 }: { readonly emaDecay?: number } = {},
): readonly StatePart[] =>
  isFrozen ? ['weights'] : ['weights', ...rules[rule].parts, ...(emaDecay > 0 ? ['ema' as const] : [])];
