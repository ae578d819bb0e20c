/** @file The dtypes of grown weights and of the grown config.json. */
import { refuse } from '../../base/errors.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';

/**
 * A function from a source weight's name to the dtype of the grown weight. `prefixes` are the family's. The
 * function refuses weights that the source does not have.
 */
export function createDTypeLookup(
  source: GrowthSource,
  { dtype }: GrowthRequest,
  prefixes: readonly string[],
): (name: string) => WeightDType {
  if (dtype !== 'keep') return () => dtype;
  const known = new Map(source.tensors.map((t) => [t.name, t.dtype]));
  const prefixed = (name: string): WeightDType | undefined =>
    prefixes.map((prefix) => known.get(prefix + name)).find((found) => found !== undefined);
  return (name) =>
    known.get(name) ??
    prefixed(name) ??
    refuse('checkpoint/missing-tensors', {
      path: String(source.config['_name_or_path'] ?? 'the checkpoint'),
      names: [name],
    });
}

/** Sets the dtype under the key that the config.json already uses: `dtype`, or `torch_dtype` in older files. */
export function withDType(config: GrowthPlan['config'], dtype: GrowthRequest['dtype']): GrowthPlan['config'] {
  if (dtype === 'keep') return config;
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  return { ...config, [key]: dtype };
}
