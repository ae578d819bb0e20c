/**
 * @file Families whose norms are applied to the residual stream itself (docs/methods.md, Norms): which maps
 * they rule out, and the norms of their new layers.
 */
import { hasNew, type AxisMap } from '../../tensor/axis-map.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';
import type { LayerSource, TensorRecipe } from '../recipe.ts';

/** Whether norms are applied to the stream itself: in every layer, or after the embedding. */
export const normalizesStream = ({ stream }: ModelFamily): boolean =>
  stream.postNorm !== undefined || stream.embeddingNorm !== undefined;

/** Whether the map pads a stream that has norms on it. The new entries would be constants. */
export const padsNormedStream = (family: ModelFamily, axis: string, map: AxisMap): boolean =>
  normalizesStream(family) && axis === family.stream.axis && hasNew(map);

/**
 * Factors and offsets of the norms around new identity layers of a post-norm family; empty for every other
 * weight.
 *
 * A new layer normalizes its input twice. This changes nothing but by eps only if its input is normalized
 * without gain and shift. So the gain and shift of the layer before the new layers move to the last new layer,
 * and all norms between become plain.
 */
export function overrideNorms(
  family: ModelFamily,
  layers: readonly LayerSource[],
  layer: number | undefined,
  key: string,
  spec: TensorSpec,
): Partial<Pick<TensorRecipe, 'factors' | 'offset'>> {
  const { postNorm } = family.stream;
  if (!postNorm || layer === undefined) return {};
  const isInner = key.startsWith(`${postNorm.afterAttention}.`) && layers[layer]!.identity;
  const isBeforeNew = key.startsWith(`${postNorm.afterMlp}.`) && layers[layer + 1]?.identity === true;
  if (!isInner && !isBeforeNew) return {};
  return {
    factors: [{ why: 'its values move to the last of the new layers that follow', by: 0 }],
    // With the factor 0 a gain becomes 0 × (value - 1) + 1.
    offset: spec.kind === 'gain' ? -1 : 0,
  };
}
