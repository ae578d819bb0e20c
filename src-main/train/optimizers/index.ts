/** @file The optimizers: which there are, and which rule each has for which weight. */
import type { ModelFamily } from '../../model/family.ts';
import type { Parameter } from '../../model/parameters.ts';
import { adamw } from './adamw.ts';
import { muon } from './muon.ts';
import type { Rule, StatePart } from './rule.ts';
import { sgd } from './sgd.ts';

export type { Factors, Hyper, Rule, StatePart, StepValues } from './rule.ts';

export const rules = { adamw, muon, sgd } as const satisfies Readonly<Record<string, Rule>>;
export type RuleId = keyof typeof rules;

interface Optimizer {
  readonly label: string;
  rule(family: ModelFamily, parameter: Parameter): RuleId;
}

export const optimizers = {
  adamw: { label: 'AdamW', rule: () => 'adamw' },
  /** Matrices alone: tables, head, norms and biases stay with AdamW, as its author advises. */
  muon: {
    label: 'Muon, with AdamW for what is no matrix',
    rule: ({ head }, { key, spec, shape }) =>
      spec.kind === 'linear' && key !== head.weight && shape.length === 2 ? 'muon' : 'adamw',
  },
  sgd: { label: 'SGD with momentum', rule: () => 'sgd' },
} as const satisfies Readonly<Record<string, Optimizer>>;
export type OptimizerId = keyof typeof optimizers;

export const ruleOf = (optimizer: OptimizerId, family: ModelFamily, parameter: Parameter): RuleId =>
  optimizers[optimizer].rule(family, parameter);

/** The parts of a bucket's state, the weights first; with the average of the weights where one is kept. */
export const partsOf = (
  { rule }: { readonly rule: RuleId },
  { ema = 0 }: { readonly ema?: number } = {},
): readonly StatePart[] => ['weights', ...rules[rule].parts, ...(ema > 0 ? ['ema' as const] : [])];
