/** @file The factors of a plan and their reasons (docs/methods.md, Factors). */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';
import { factorOf, recipeOf } from './factor-of.ts';

describe('hypercloning of a tied model', () => {
  const plan = planGrowth(makeTinyModel(llama), makeRequest('hypercloning', { hidden: 24, ffn: 60 }));
  const reasonsOf = (name: string): readonly (readonly [number, string])[] =>
    recipeOf(plan, name).factors.map((factor) => [factor.by, factor.why]);

  it('divides weights that read copies, and the last norm compensates for the head', () => {
    expect(reasonsOf('model.layers.0.self_attn.q_proj.weight')).toEqual([
      [1 / 2, 'sums 2 equal copies of hidden'],
    ]);
    expect(reasonsOf('model.layers.0.mlp.down_proj.weight')).toEqual([[1 / 3, 'sums 3 equal copies of ffn']]);
    expect(reasonsOf('model.layers.0.self_attn.o_proj.weight')).toEqual([
      [1 / 2, 'sums 2 equal copies of kv_heads'],
    ]);
    expect(reasonsOf('model.norm.weight')).toEqual([
      [1 / 2, 'compensates for the head, which is tied to the embedding and sums 2 equal copies'],
    ]);
    expect(reasonsOf('model.embed_tokens.weight')).toEqual([]);
  });

  it('divides the learning rates of weights that read copies', () => {
    const scaled = plan.tensors.filter((recipe) => recipe.lrScale !== 1);
    const scales = scaled.map((recipe) => [recipe.source.split('.').slice(-2).join('.'), recipe.lrScale]);
    expect(scales.slice(0, 4)).toEqual([
      ['q_proj.weight', 1 / 2],
      ['k_proj.weight', 1 / 2],
      ['v_proj.weight', 1 / 2],
      ['o_proj.weight', 1 / 2],
    ]);
  });
});

describe('expand', () => {
  it('scales what writes to the stream and undoes it in gains, twice in the norm before a tied head', () => {
    const scale = Math.sqrt(18 / 12);
    const plan = planGrowth(makeTinyModel(llama), makeRequest('expand', { hidden: 18 }));
    expect(factorOf(plan, 'model.embed_tokens.weight')).toBeCloseTo(scale, 12);
    expect(factorOf(plan, 'model.layers.1.mlp.down_proj.weight')).toBeCloseTo(scale, 12);
    expect(factorOf(plan, 'model.layers.1.input_layernorm.weight')).toBeCloseTo(1 / scale, 12);
    expect(factorOf(plan, 'model.norm.weight')).toBeCloseTo(1 / scale ** 2, 12);
    expect(recipeOf(plan, 'model.layers.0.self_attn.q_proj.weight').factors).toEqual([]);
  });

  it('scales position embeddings, and the shift of the last LayerNorm only', () => {
    const plan = planGrowth(makeTinyModel(gpt2), makeRequest('expand', { hidden: 20 }));
    expect(factorOf(plan, 'wpe.weight')).toBeCloseTo(Math.sqrt(20 / 12), 12);
    expect(factorOf(plan, 'ln_f.bias')).toBeCloseTo(Math.sqrt(12 / 20), 12);
    expect(factorOf(plan, 'h.0.ln_1.bias')).toBe(1);
  });
});
