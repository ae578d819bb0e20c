/** @file What growth refuses by family: sizes of heads, and config values that no forward pass here computes. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import {
  bloom,
  falcon,
  familyVariants,
  gemma,
  gemma2,
  gemma3,
  gpt2,
  gptNeox,
  llama,
  mistral,
  mpt,
  olmo,
  olmo2,
  opt,
  optProjected,
  phi3,
  qwen2,
  qwen3,
  stablelm,
} from '../variants/index.ts';

describe('a request is refused', () => {
  it.each(Object.entries({ mistral, qwen2, qwen3, gptNeox, stablelm }))(
    'for larger RoPE heads by hypercloning (%s)',
    (_, config) => {
      const request = makeRequest('hypercloning', { head_dim: 16 });
      expect(() => planGrowth(makeTinyModel(config), request)).toThrow('rotary');
    },
  );
  it.each(Object.entries({ mistral, qwen2, qwen3 }))(
    'for larger RoPE heads by a factor that is not whole (%s)',
    (_, config) => {
      const request = makeRequest('expand', { head_dim: 10 });
      expect(() => planGrowth(makeTinyModel(config), request)).toThrow(
        'nearest possible head_dim is 8 or 12',
      );
    },
  );
  it.each(Object.entries({ gptNeox, stablelm, opt }))(
    'for a hidden size that the number of heads does not divide (%s)',
    (_, config) => {
      const request = makeRequest('expand', { hidden: (config['hidden_size'] as number) + 1 });
      expect(() => planGrowth(makeTinyModel(config), request)).toThrow(/nearest possible hidden/);
    },
  );
});

describe('a config is refused', () => {
  const full = 'full_attention';
  const chunked = 'chunked_attention';
  const sliding = 'sliding_attention';
  const linear = { rope_type: 'linear', rope_theta: 50, factor: 2 };
  const longrope = { short_factor: [1], long_factor: [2, 3] };
  // One case a line: the family, what the error names, the config.
  // prettier-ignore
  const unsupported: readonly (readonly [family: string, named: string, config: JsonObject])[] = [
    ['mistral', 'layer_types', { ...mistral, layer_types: [full, sliding] }],
    ['mistral', 'factor', { ...mistral, rope_scaling: { rope_type: 'yarn' } }],
    ['qwen2', 'mrope', { ...qwen2, rope_parameters: { rope_type: 'mrope', factor: 4 } }],
    ['qwen2', chunked, { ...qwen2, layer_types: [full, chunked] }],
    ['qwen2', 'layer_types', { ...qwen2, layer_types: [full] }],
    ['qwen3', 'use_sliding_window', { ...qwen3, layer_types: [full, sliding] }],
    ['gpt_neox', 'mrope', { ...gptNeox, rope_scaling: { type: 'mrope', factor: 2 } }],
    ['stablelm', 'qk_layernorm', { ...stablelm, qk_layernorm: true }],
    ['opt', 'word_embed_proj_dim', { ...opt, word_embed_proj_dim: 8 }],
    ['opt', '_remove_final_layer_norm', { ...opt, _remove_final_layer_norm: true }],
    ['opt', 'layer_norm_elementwise_affine', { ...opt, layer_norm_elementwise_affine: false }],
    ['opt-projected', 'do_layer_norm_before', { ...opt, do_layer_norm_before: false }],
    ['opt-projected', '_remove_final_layer_norm', { ...optProjected, _remove_final_layer_norm: true }],
    ['opt-projected', 'layer_norm_elementwise_affine', { ...optProjected, layer_norm_elementwise_affine: false }],
    ['gemma', 'use_bidirectional_attention', { ...gemma, use_bidirectional_attention: true }],
    ['gemma', 'mrope', { ...gemma, rope_scaling: { rope_type: 'mrope', factor: 4 } }],
    ['gemma', 'hidden_activation', { ...gemma, hidden_activation: 'relu' }],
    ['gemma2', 'use_bidirectional_attention', { ...gemma2, use_bidirectional_attention: true }],
    ['gemma2', chunked, { ...gemma2, layer_types: [full, chunked, full] }],
    ['gemma2', 'layer_types', { ...gemma2, layer_types: [full] }],
    ['gemma2', 'mrope', { ...gemma2, rope_parameters: { rope_type: 'mrope', factor: 4 } }],
    ['gemma3_text', 'use_bidirectional_attention', { ...gemma3, use_bidirectional_attention: true }],
    ['gemma3_text', 'attn_logit_softcapping', { ...gemma3, attn_logit_softcapping: 50 }],
    ['gemma3_text', 'mrope', { ...gemma3, rope_scaling: { rope_type: 'mrope', factor: 4 } }],
    ['gemma3_text', 'linear', { ...gemma3, rope_parameters: { sliding_attention: linear } }],
    ['gemma3_text', 'layer_types', { ...gemma3, layer_types: [full] }],
    ['olmo', 'clip_qkv', { ...olmo, clip_qkv: 8 }],
    ['olmo', 'mrope', { ...olmo, rope_scaling: { type: 'mrope', factor: 2 } }],
    ['olmo2', 'mrope', { ...olmo2, rope_scaling: { type: 'mrope', factor: 2 } }],
    ['phi3', 'short_factor', { ...phi3, rope_scaling: { type: 'longrope', long_factor: [2] } }],
    ['phi3', 'long_factor', { ...phi3, rope_scaling: { type: 'su', ...longrope } }],
    ['cohere', 'use_qk_norm', { ...llama, model_type: 'cohere', use_qk_norm: true }],
    ['phi', 'qk_layernorm', { ...llama, model_type: 'phi', qk_layernorm: true }],
    ['smollm3', 'no_rope_layers', { ...llama, model_type: 'smollm3', no_rope_layers: [1] }],
    ['exaone4', 'sliding_window_pattern', { ...llama, model_type: 'exaone4', sliding_window_pattern: 'LLLG' }],
    ['helium', 'hidden_size', { ...llama, model_type: 'helium' }],
    ['gptj', 'rotary_dim', { ...gpt2, model_type: 'gptj' }],
    ['gpt_bigcode', 'multi_query', { ...gpt2, model_type: 'gpt_bigcode', multi_query: false }],
    ['bloom', 'apply_residual', { ...bloom, apply_residual_connection_post_layernorm: true }],
    ['mpt', 'clip_qkv', { ...mpt, attn_config: { clip_qkv: 6 } }],
    ['mpt', 'softmax_scale', { ...mpt, attn_config: { softmax_scale: 0.1 } }],
    ['falcon', 'new_decoder_architecture', { ...falcon, new_decoder_architecture: true }],
    ['falcon', 'alibi', { ...falcon, alibi: true }],
    ['falcon', 'layer_norm_epsilon', { ...falcon, layer_norm_epsilon: null }],
    ['falcon-alibi', 'multi_query', { ...falcon, multi_query: false }],
    ['phi3', 'linear', { ...phi3, rope_parameters: { rope_type: 'linear', factor: 2 } }],
  ];
  it.each(unsupported)('of %s with an unsupported %s', (id, named, config) => {
    const family = familyOf(config);
    expect(family.id).toBe(id);
    expect(() => family.assertSupported(config)).toThrow(named);
  });
});

describe('a config is accepted', () => {
  it.each(Object.entries(familyVariants))('%s', (_, config) => {
    expect(() => familyOf(config).assertSupported(config)).not.toThrow();
  });
});
