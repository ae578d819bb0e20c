/**
 * @file The float64 reference that growth is judged by agrees with real transformers on every golden
 * checkpoint, and would notice if a setting were ignored.
 */
import { describe, expect, test } from 'vitest';
import { loadGolden, goldenCases } from '../support/golden.ts';
import { compare } from '../support/close.ts';
import { referenceLogits, referenceLoss, type Config } from '../support/reference.ts';

const logitsOf = (
  config: Config,
  weights: ReadonlyMap<string, Float64Array>,
  ids: readonly (readonly number[])[],
): number[] => ids.flatMap((row) => [...referenceLogits(config, weights, row)]);
const opened = (name: string) => {
  const { weights, ...rest } = loadGolden(name);
  return { ...rest, weights: new Map([...weights].map(([key, values]) => [key, Float64Array.from(values)])) };
};

/** Each a config that transformers would compute differently with; which checkpoints have it. */
const ignored: readonly { readonly key: string; readonly other: unknown; readonly of: RegExp }[] = [
  { key: 'layer_norm_epsilon', other: 1e-5, of: /^gpt2-(tied|bare|float16)/ },
  { key: 'rms_norm_eps', other: 1e-6, of: /^llama-(?!untied)/ },
  { key: 'activation_function', other: 'gelu_new', of: /^gpt2-bare/ },
  { key: 'rope_parameters', other: undefined, of: /^llama-rope-linear/ },
  { key: 'rope_scaling', other: undefined, of: /^(llama-rope-llama3|gemma3-old)/ },
  { key: 'rms_norm_eps', other: 1e-6, of: /^(gemma|olmo2|phi3)/ },
  { key: 'attn_logit_softcapping', other: null, of: /^gemma2-bounded/ },
  { key: 'final_logit_softcapping', other: null, of: /^(gemma2-bounded|gemma3-old)/ },
  { key: 'query_pre_attn_scalar', other: 8, of: /^gemma[23]/ },
  { key: 'sliding_window', other: null, of: /^(gemma[23]|phi3-window)/ },
  { key: 'sliding_window_pattern', other: 6, of: /^gemma3-old/ },
  { key: 'layer_types', other: undefined, of: /^gemma(2-unbounded|3-listed)/ },
  { key: 'rope_local_base_freq', other: 10_000, of: /^gemma3-old/ },
  { key: 'rope_parameters', other: undefined, of: /^(gemma3-listed|phi3-window)/ },
  { key: 'dtype', other: 'float32', of: /^gemma-bfloat16/ },
  { key: 'rms_norm_eps', other: 1e-6, of: /^(mistral|qwen)/ },
  { key: 'layer_norm_eps', other: 1e-5, of: /^(gpt-neox|stablelm)/ },
  { key: 'sliding_window', other: 6, of: /^(mistral-window|qwen.-sliding)/ },
  { key: 'max_window_layers', other: 2, of: /^qwen2-sliding/ },
  {
    key: 'layer_types',
    other: ['full_attention', 'full_attention', 'sliding_attention'],
    of: /^qwen3-sliding/,
  },
  { key: 'rotary_pct', other: 1, of: /^gpt-neox-parallel/ },
  { key: 'rotary_emb_base', other: 100, of: /^gpt-neox-parallel/ },
  { key: 'use_parallel_residual', other: false, of: /^gpt-neox-parallel/ },
  { key: 'use_parallel_residual', other: true, of: /^gpt-neox-sequential/ },
  { key: 'rope_parameters', other: { partial_rotary_factor: 1 }, of: /^stablelm/ },
  { key: 'use_qkv_bias', other: false, of: /^stablelm-parallel/ },
  { key: 'use_parallel_residual', other: true, of: /^stablelm-sequential/ },
  { key: 'enable_bias', other: false, of: /^opt-(tied|projected)/ },
  { key: 'activation_function', other: 'gelu_new', of: /^opt-(tied|projected)/ },
  { key: 'activation_function', other: 'relu', of: /^opt-untied/ },
];

describe.each(goldenCases)('%s', (name) => {
  const { config, weights, ids, logits, loss } = opened(name);
  const ours = logitsOf(config, weights, ids);

  test('logits and loss are those of transformers', () => {
    expect(ours).toBeClose(logits, 'float32');
    expect(ids.reduce((sum, row) => sum + referenceLoss(config, weights, row), 0) / ids.length).toBeCloseTo(
      loss,
      5,
    );
  });

  test.each(ignored.filter(({ key, other, of }) => of.test(name) && config[key] !== other))(
    '$key matters',
    ({ key, other }) => {
      const changed = logitsOf({ ...config, [key]: other }, weights, ids);
      expect(compare(changed, logits).worst).toBeGreaterThan(1e-3);
    },
  );
});
