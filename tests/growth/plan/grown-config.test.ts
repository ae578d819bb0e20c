/** @file The config.json of a grown model. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { gpt2, llama } from '../variants/index.ts';

describe('the config of a grown model', () => {
  it('states sizes that no longer have their default', () => {
    const clone = makeRequest('hypercloning', { hidden: 24 });
    const { config } = planGrowth(makeTinyModel({ ...gpt2, n_inner: null }), clone);
    expect(config['n_inner']).toBe(48);
    const entries = Object.entries({ ...llama, hidden_size: 24 }).filter(([key]) => key !== 'head_dim');
    const withoutHeadDim = Object.fromEntries(entries) as JsonObject;
    const double = makeRequest('hypercloning', { hidden: 48 });
    expect(planGrowth(makeTinyModel(withoutHeadDim), double).config).toMatchObject({
      head_dim: 4,
      num_attention_heads: 12,
      num_key_value_heads: 4,
      hidden_size: 48,
    });
  });

  it('states the dtype of a growth that changes it', () => {
    const request = { ...makeRequest('hypercloning', { hidden: 24 }), dtype: 'bfloat16' as const };
    const plan = planGrowth(makeTinyModel(llama), request);
    expect(plan.config['torch_dtype']).toBe('bfloat16');
    expect(plan.tensors.every((recipe) => recipe.dtype === 'bfloat16')).toBe(true);
    expect(plan.notes.join(' ')).toContain('bfloat16');
  });
});
