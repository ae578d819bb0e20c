/**
 * @file Negative controls for each family: without a factor, a fill or an order that docs/methods.md asks for,
 * the logits change.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { TensorRecipe } from '../../../src-main/growth/recipe.ts';
import type { AxisMap } from '../../../src-main/tensor/axis-map.ts';
import { breakAndMeasure, keepBiases, reasons, withoutFactor, zerosForMeans } from '../break-plan.ts';
import type { Sizes } from '../methods/target-sizes.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import {
  gemma,
  gemma2,
  gemma3,
  gptNeox,
  mistral,
  olmo,
  olmo2,
  opt,
  optProjected,
  phi3,
  qwen2,
  qwen3,
  stablelm,
} from '../variants/index.ts';

/** A hidden size that is no multiple, with the heads that it needs. */
function wider(config: JsonObject): Sizes {
  if (config === stablelm) return { hidden: 32, group: 4 };
  const more = config === gptNeox ? 8 : config === opt ? 4 : 6;
  return { hidden: (config['hidden_size'] as number) + more };
}

const padded: readonly (readonly [string, JsonObject])[] = Object.entries({
  mistral,
  qwen2,
  qwen3,
  gptNeox,
  stablelm,
  opt,
});
const double = (config: JsonObject): Sizes => ({ hidden: 2 * (config['hidden_size'] as number) });
const expand18 = makeRequest('expand', { hidden: 18 });
const clone24 = makeRequest('hypercloning', { hidden: 24 });

describe('expand changes the logits', () => {
  it.each(padded)('of %s if the gains do not undo the scaled stream', (_, config) => {
    const change = withoutFactor(reasons.undoneStreamScale);
    expect(breakAndMeasure(config, makeRequest('expand', wider(config)), change)).toBeGreaterThan(0.05);
  });
  it.each(Object.entries({ gemma, gemma2, gemma3, olmo2, phi3 }))(
    'of %s if the gains do not undo the scaled stream',
    (_, config) => {
      const change = withoutFactor(reasons.undoneStreamScale);
      expect(breakAndMeasure(config, expand18, change)).toBeGreaterThan(0.01);
    },
  );
  it.each(Object.entries({ gptNeox, stablelm, opt }))(
    'of %s if new entries under a LayerNorm are zeros instead of means',
    (_, config) => {
      const request = makeRequest('expand', wider(config));
      expect(breakAndMeasure(config, request, zerosForMeans)).toBeGreaterThan(0.05);
    },
  );
  it('of olmo, whose norms have no gains, if new entries are zeros or nothing undoes the scaled stream', () => {
    expect(breakAndMeasure(olmo, expand18, zerosForMeans)).toBeGreaterThan(0.01);
    const change = withoutFactor(reasons.undoneStreamScale);
    expect(breakAndMeasure(olmo, expand18, change)).toBeGreaterThan(0.01);
  });
  it('of qwen3 if the norm of heads is scaled like a norm of the stream', () => {
    const factors = [{ why: 'as other norms', by: Math.sqrt(12 / 18) }];
    const change = (recipe: TensorRecipe): TensorRecipe =>
      recipe.name.includes('q_norm') ? { ...recipe, factors } : recipe;
    expect(breakAndMeasure(qwen3, expand18, change)).toBeGreaterThan(1e-3);
  });
  it.each(Object.entries({ gemma2, gemma3, olmo2 }))(
    'of %s if the input of the norm at the end of a branch is not scaled',
    (_, config) => {
      const withoutScale = withoutFactor(reasons.streamScale);
      const change = (recipe: TensorRecipe): TensorRecipe =>
        /o_proj|down_proj/.test(recipe.name) ? withoutScale(recipe) : recipe;
      expect(breakAndMeasure(config, expand18, change)).toBeGreaterThan(1e-4);
    },
  );
});

describe('hypercloning changes the logits', () => {
  it.each(padded.filter(([, config]) => config['tie_word_embeddings'] !== false))(
    'of %s if nothing compensates for its tied head',
    (_, config) => {
      const request = makeRequest('hypercloning', double(config));
      expect(breakAndMeasure(config, request, withoutFactor(reasons.tiedHead))).toBeGreaterThan(0.05);
    },
  );
  it.each(Object.entries({ gemma, gemma2, gemma3, olmo, olmo2, phi3 }))(
    'of %s if weights that read copies are not divided',
    (_, config) => {
      expect(breakAndMeasure(config, clone24, withoutFactor(reasons.equalCopies))).toBeGreaterThan(0.01);
    },
  );
  it.each(Object.entries({ gemma, gemma2, gemma3 }))(
    'and expand those of %s if gains are scaled as stored, which is minus one',
    (_, config) => {
      const change = (recipe: TensorRecipe): TensorRecipe => ({ ...recipe, offset: 0 });
      expect(breakAndMeasure(config, clone24, change)).toBeGreaterThan(0.01);
      expect(breakAndMeasure(config, expand18, change)).toBeGreaterThan(0.01);
    },
  );

  it('of a projected opt if project_out, which already is divided, is divided again', () => {
    const plan = planGrowth(makeTinyModel(optProjected), clone24);
    const factorsOf = (name: string): readonly number[] =>
      plan.tensors.find((recipe) => recipe.name === name)!.factors.map((factor) => factor.by);
    expect(factorsOf('project_out.weight')).toEqual([1 / 2]);
    expect(factorsOf('project_in.weight')).toEqual([]);
    expect(factorsOf('embed_tokens.weight')).toEqual([]);
    const again = { why: 'again', by: 1 / 2 };
    const change = (recipe: TensorRecipe): TensorRecipe =>
      recipe.name === 'project_out.weight' ? { ...recipe, factors: [...recipe.factors, again] } : recipe;
    expect(breakAndMeasure(optProjected, clone24, change)).toBeGreaterThan(0.05);
  });

  it('of gpt_neox if the fused queries, keys and values are tiled as one matrix', () => {
    const source = makeTinyModel(gptNeox);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 48 }, { noise: null }));
    const grown = new Map(growWeights(plan, source.weights));
    const name = 'layers.0.attention.query_key_value.weight';
    const width = 48;
    const headDim = 8;
    const values = grown.get(name)!;
    // Rows are heads × [q, k, v] × headDim; here they become [q, k, v] × heads × headDim.
    const partMajor = values.map((_, i) => {
      const row = Math.floor(i / width);
      const part = Math.floor(row / width);
      const head = Math.floor((row % width) / headDim);
      const oldRow = head * 3 * headDim + part * headDim + (row % headDim);
      return values[oldRow * width + (i % width)]!;
    });
    expect(values.length).toBe(2 * 72 * width);
    expect(maxLogitChange(source, plan, grown)).toBeLessThan(exactTolerance);
    grown.set(name, partMajor);
    expect(maxLogitChange(source, plan, grown)).toBeGreaterThan(0.01);
  });

  it('of phi3 if qkv_proj is tiled as one matrix', () => {
    const source = makeTinyModel(phi3);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24 }, { noise: null }));
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const rows = 40;
    const tiled: AxisMap = {
      from: rows,
      to: 2 * rows,
      copies: 2,
      pieces: [
        { at: 0, from: 0, length: rows, copy: 0 },
        { at: rows, from: 0, length: rows, copy: 1 },
      ],
    };
    const isFused = (recipe: TensorRecipe): boolean => recipe.layout.startsWith('qkv(');
    const tiledPlan = {
      ...plan,
      maps: { ...plan.maps, ffn: tiled },
      tensors: plan.tensors.filter(isFused),
    };
    const fused = growWeights(tiledPlan, source.weights, (recipe) => ({
      ...recipe,
      layout: isFused(recipe) ? 'ffn <- hidden' : recipe.layout,
    }));
    const grown = new Map([...growWeights(plan, source.weights), ...fused]);
    expect(maxLogitChange(source, plan, grown)).toBeGreaterThan(1e-3);
  });

  it('of phi3 if gate_up_proj is tiled as one matrix', () => {
    const source = makeTinyModel(phi3);
    const plan = planGrowth(source, makeRequest('hypercloning', { ffn: 40 }, { noise: null }));
    const name = 'model.layers.0.mlp.gate_up_proj.weight';
    const old = source.weights.get(name)!;
    const tiled = Float64Array.from({ length: 2 * old.length }, (_, i) => old[i % old.length]!);
    const grown = new Map([...growWeights(plan, source.weights), [name, tiled] as const]);
    expect(maxLogitChange(source, plan, grown)).toBeGreaterThan(1e-3);
  });
});

describe('identity changes the logits', () => {
  it.each(Object.entries({ qwen3: { ...qwen3, attention_bias: true }, gptNeox, opt }))(
    'of %s if the biases of new layers are kept',
    (_, config) => {
      const request = makeRequest('identity', { layers: 4 });
      expect(breakAndMeasure(config, request, keepBiases)).toBeGreaterThan(0.05);
    },
  );
});
