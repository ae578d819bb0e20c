/** @file The dtypes of grown weights and of the grown config.json. */
import { refuse } from '../../base/errors.ts';
import { toText } from '../../base/json.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';

/**
 * A function from a source weight's name to the dtype of the grown weight. `prefix` is the `namePrefix` of the
 * family, which names in old plans have. The function refuses weights that the source does not have.
 */
export function createDTypeLookup(
  source: GrowthSource,
  { dtype }: GrowthRequest,
  prefix: string,
): (name: string) => WeightDType {
  if (dtype !== 'keep') return () => dtype;
  const known = new Map(source.tensors.map((t) => [t.name, t.dtype]));
  return (name) =>
    known.get(name) ??
    known.get(prefix + name) ??
    refuse('checkpoint/missing-tensors', {
      path: toText(source.config['_name_or_path'] ?? 'the checkpoint'),
      names: [name],
    });
}

/** Sets the dtype under the key that the config.json already uses: `dtype`, or `torch_dtype` in older files. */
export function withDType(config: GrowthPlan['config'], dtype: GrowthRequest['dtype']): GrowthPlan['config'] {
  if (dtype === 'keep') return config;
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype';
  return { ...config, [key]: dtype };
}
