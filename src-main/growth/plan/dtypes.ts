/** @file The element types of grown weights, and how config.json says them. */
import { refuse } from '../../base/errors.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';

/** The type of a grown weight, by the source weight it is made from. */
export function createDTypeLookup(
  source: GrowthSource,
  { dtype }: GrowthRequest,
  aliases: readonly string[],
): (name: string) => WeightDType {
  if (dtype !== 'keep') return () => dtype;
  const known = new Map(source.tensors.map((t) => [t.name, t.dtype]));
  return (name) =>
    known.get(name) ??
    aliases.map((prefix) => known.get(prefix + name)).find((d) => d !== undefined) ??
    refuse('checkpoint/missing-tensors', {
      path: String(source.config['_name_or_path'] ?? 'the checkpoint'),
      names: [name],
    });
}

/** config.json says the element type under one of two names, by the age of the file. */
export function withDType(config: GrowthPlan['config'], dtype: GrowthRequest['dtype']): GrowthPlan['config'] {
  return dtype === 'keep' ? config : { ...config, ['dtype' in config ? 'dtype' : 'torch_dtype']: dtype };
}
