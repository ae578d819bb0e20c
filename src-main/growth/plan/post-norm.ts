/**
 * @file Families whose norms stand on the stream: what they refuse, and where silent layers leave their norms
 * (methods.md 1.6 and 7.1).
 */
import { hasNew, type AxisMap } from '../../tensor/axis-map.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';
import type { LayerSource, TensorRecipe } from '../recipe.ts';

/**
 * Whether the map would give the stream entries that are no copies although norms stand on it: they would be
 * constants there.
 */
export const padsNormedStream = (family: ModelFamily, axis: string, map: AxisMap): boolean =>
  family.stream.postNorm !== undefined && axis === family.stream.axis && hasNew(map);

/**
 * A silent layer only norms its input twice. So that this changes nothing but by eps, its input must be
 * normed and no more: the layer before it hands its last gain and shift on
 * to the last silent layer that follows, and every norm between is plain.
 */
export function overrideNorms(
  family: ModelFamily,
  layers: readonly LayerSource[],
  layer: number | undefined,
  key: string,
  spec: TensorSpec,
): Partial<Pick<TensorRecipe, 'factors' | 'offset'>> {
  const { postNorm: post } = family.stream;
  if (!post || layer === undefined) return {};
  const silent = key.startsWith(`${post.afterAttention}.`)
    ? layers[layer]!.identity
    : key.startsWith(`${post.afterMlp}.`) && layers[layer + 1]?.identity === true;
  if (!silent) return {};
  return {
    factors: [{ why: 'hands its values on to the last of the silent layers that follow', by: 0 }],
    offset: spec.kind === 'gain' ? -1 : 0,
  }; // 0 × (value - 1) + 1
}
