/** @file Sliding windows: each new layer keeps the attention type of the layer it is made from. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { gemma2, gemma3, qwen2, qwen3 } from '../variants/index.ts';

const full = 'full_attention';
const sliding = 'sliding_attention';

const configAfter = (config: JsonObject, layers: number): JsonObject =>
  planGrowth(makeTinyModel(config), makeRequest('identity', { layers })).config;
const without = (config: JsonObject, key: string): JsonObject =>
  Object.fromEntries(Object.entries(config).filter(([name]) => name !== key));

const windowAfterTwoLayers: JsonObject = {
  ...qwen2,
  num_hidden_layers: 3,
  use_sliding_window: true,
  sliding_window: 3,
  max_window_layers: 2,
};

describe('max_window_layers', () => {
  it('is raised, and layer_types are written', () => {
    const plan = planGrowth(makeTinyModel(windowAfterTwoLayers), makeRequest('identity', { layers: 5 }));
    expect(plan.layers.map((layer) => layer.source)).toEqual([0, 1, 1, 2, 2]);
    expect(plan.config).toMatchObject({
      num_hidden_layers: 5,
      layer_types: [full, full, full, sliding, sliding],
      max_window_layers: 3,
    });
  });

  it('alone would change the logits', () => {
    const source = makeTinyModel(windowAfterTwoLayers);
    const plan = planGrowth(source, makeRequest('identity', { layers: 7 }));
    const grown = growWeights(plan, source.weights);
    const onlyOldLimit = { ...without(plan.config, 'layer_types'), max_window_layers: 2 };
    expect(maxLogitChange(source, plan)).toBe(0);
    expect(maxLogitChange(source, plan, grown, onlyOldLimit)).toBeGreaterThan(1e-3);
  });
});

describe('layer_types', () => {
  it('are extended if the config has them, also where all layers are alike', () => {
    const listed = { ...qwen3, layer_types: [full, full] };
    expect(configAfter(listed, 3)['layer_types']).toEqual([full, full, full]);
  });

  it('are not added if the config has none and all layers are alike', () => {
    expect(configAfter(qwen3, 3)).not.toHaveProperty('layer_types');
  });

  it('are not added by a growth in width', () => {
    const plan = planGrowth(makeTinyModel(windowAfterTwoLayers), makeRequest('hypercloning', { hidden: 24 }));
    expect(plan.config).not.toHaveProperty('layer_types');
  });

  it('are written for Gemma 2 and 3, whose rule would give new layers other types', () => {
    const pattern = { ...gemma3, sliding_window_pattern: 3 };
    const listed = { ...gemma2, layer_types: [full, sliding, sliding] };
    const typesAfter = (config: JsonObject, layers: number): unknown =>
      configAfter(config, layers)['layer_types'];
    expect(typesAfter(gemma2, 6)).toEqual([sliding, sliding, full, full, sliding, sliding]);
    expect(typesAfter(pattern, 4)).toEqual([sliding, sliding, full, full]);
    expect(typesAfter(listed, 6)).toEqual([full, full, sliding, sliding, sliding, sliding]);
  });

  it('keep the logits of Gemma 2, which the rule alone would change', () => {
    const source = makeTinyModel(gemma2);
    const plan = planGrowth(source, makeRequest('identity', { layers: 5 }));
    const grown = growWeights(plan, source.weights);
    const onlyRule = without(plan.config, 'layer_types');
    expect(maxLogitChange(source, plan)).toBe(0);
    expect(maxLogitChange(source, plan, grown, onlyRule)).toBeGreaterThan(1e-4);
  });
});
