/** @file The random initial values of a weight, as GPT-2 has them (Radford et al. 2019). */
import { hasAxis, type Dims } from '../tensor/layout.ts';
import type { ModelFamily } from './family.ts';
import type { Parameter } from './parameters.ts';
import type { Settings } from './settings.ts';

/** A normal distribution with mean 0, or one value. */
export type InitialValue = { readonly std: number } | { readonly fill: number };

/**
 * Linears and embeddings are normal with the family's std, norm weights one, biases zero. Layers that write to the
 * residual stream are divided by sqrt(2 · layers).
 */
export function initialValueOf(
  { spec, layer }: Pick<Parameter, 'spec' | 'layer'>,
  {
    family,
    dims,
    settings,
  }: { readonly family: ModelFamily; readonly dims: Dims; readonly settings: Settings },
): InitialValue {
  if (spec.kind === 'gain') return { fill: 1 - spec.offset };
  if (spec.kind !== 'linear' && spec.kind !== 'lookup') return { fill: 0 };
  const writesStream = layer !== undefined && hasAxis(spec.layout, family.stream.axis, 'out');
  return { std: Number(settings['std']) / (writesStream ? Math.sqrt(2 * dims['layers']!) : 1) };
}
