/** @file Methods of depth: which source layer each new layer is made from. */
import { describe, expect, it } from 'vitest';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { LayerSource } from '../../../src-main/growth/recipe.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2 } from '../variants/index.ts';

function mapLayers(method: string, from: number, to: number, options = {}): readonly LayerSource[] {
  const layers = methods.get(method)!.mapLayers!(from, to, { n: 2, k: null, ...options });
  return layers as readonly LayerSource[];
}
/** Source layers in order; an identity layer has a star. */
const print = (layers: readonly LayerSource[]): string =>
  layers.map(({ source, identity }) => `${source}${identity ? '*' : ''}`).join(' ');

describe('identity', () => {
  it('spreads the new layers evenly', () => {
    expect(print(mapLayers('identity', 4, 6))).toBe('0 1 1* 2 3 3*');
    expect(print(mapLayers('identity', 3, 4))).toBe('0 1 2 2*');
    expect(print(mapLayers('identity', 2, 6))).toBe('0 0* 0* 1 1* 1*');
    const identities = mapLayers('identity', 32, 40).flatMap((layer, i) => (layer.identity ? [i] : []));
    expect(identities).toEqual([4, 9, 14, 19, 24, 29, 34, 39]);
  });

  it('zeros the outputs of the new layers and nothing else', () => {
    const plan = planGrowth(makeTinyModel(gpt2), makeRequest('identity', { layers: 3 }));
    const zeroed = plan.tensors.filter((recipe) => recipe.zeroOutput).map((recipe) => recipe.name);
    expect(zeroed).toEqual([
      'h.2.attn.c_proj.weight',
      'h.2.attn.c_proj.bias',
      'h.2.mlp.c_proj.weight',
      'h.2.mlp.c_proj.bias',
    ]);
  });
});

describe('stack', () => {
  it('repeats the model', () => {
    expect(print(mapLayers('stack', 3, 6))).toBe('0 1 2 0 1 2');
  });
});

describe('interleave', () => {
  it('repeats each layer', () => {
    expect(print(mapLayers('interleave', 3, 6))).toBe('0 0 1 1 2 2');
    expect(print(mapLayers('interleave', 4, 6))).toBe('0 0 1 2 2 3');
  });
});

describe('solar', () => {
  it('drops layers on both sides of each seam', () => {
    expect(print(mapLayers('solar', 4, 6))).toBe('0 1 2 1 2 3');
    const seam = mapLayers('solar', 32, 48).slice(23, 25);
    expect(print(seam)).toBe('23 8');
    expect(print(mapLayers('solar', 5, 11, { n: 3 }))).toBe('0 1 2 3 1 2 3 1 2 3 4');
  });
});
