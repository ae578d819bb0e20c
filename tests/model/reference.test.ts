/**
 * @file The float64 reference that other tests compare with agrees with transformers on every golden checkpoint, and
 * depends on every config key that the checkpoint sets.
 */
import { describe, expect, it } from 'vitest';
import { compareArrays } from '../support/close.ts';
import { goldenCases, loadGolden } from '../support/golden.ts';
import { referenceLogits, referenceLoss, type Config, type Weights } from '../support/reference.ts';

type Batch = readonly (readonly number[])[];

const logitsOf = (config: Config, weights: Weights, ids: Batch): number[] =>
  ids.flatMap((row) => [...referenceLogits(config, weights, row)]);

/** A config value that must change the logits, and the golden checkpoints it is tried on. */
interface ConfigChange {
  readonly key: string;
  readonly value: unknown;
  readonly cases: RegExp;
}

// One change per line.
// prettier-ignore
const changes: readonly ConfigChange[] = [
  { key: 'layer_norm_epsilon', value: 1e-5, cases: /^gpt2-(tied|no-prefix|float16)/ },
  { key: 'rms_norm_eps', value: 1e-6, cases: /^llama-(?!untied)/ },
  { key: 'activation_function', value: 'gelu_new', cases: /^gpt2-no-prefix/ },
  { key: 'rope_parameters', value: undefined, cases: /^llama-rope-linear/ },
  { key: 'rope_scaling', value: undefined, cases: /^(llama-rope-llama3|gemma3-old)/ },
  { key: 'rms_norm_eps', value: 1e-6, cases: /^(gemma|olmo2|phi3)/ },
  { key: 'attn_logit_softcapping', value: null, cases: /^gemma2-softcap/ },
  { key: 'final_logit_softcapping', value: null, cases: /^(gemma2-softcap|gemma3-old)/ },
  { key: 'query_pre_attn_scalar', value: 8, cases: /^gemma[23]/ },
  { key: 'sliding_window', value: null, cases: /^(gemma[23]|phi3-window)/ },
  { key: 'sliding_window_pattern', value: 6, cases: /^gemma3-old/ },
  { key: 'layer_types', value: undefined, cases: /^gemma(2-without|3-listed)/ },
  { key: 'rope_local_base_freq', value: 10_000, cases: /^gemma3-old/ },
  { key: 'rope_parameters', value: undefined, cases: /^(gemma3-listed|phi3-window)/ },
  { key: 'dtype', value: 'float32', cases: /^gemma-bfloat16/ },
  { key: 'rms_norm_eps', value: 1e-6, cases: /^(mistral|qwen)/ },
  { key: 'layer_norm_eps', value: 1e-5, cases: /^(gpt-neox|stablelm)/ },
  { key: 'sliding_window', value: 6, cases: /^(mistral-window|qwen.-sliding)/ },
  { key: 'max_window_layers', value: 2, cases: /^qwen2-sliding/ },
  { key: 'layer_types', value: ['full_attention', 'full_attention', 'sliding_attention'], cases: /^qwen3-sliding/ },
  { key: 'rotary_pct', value: 1, cases: /^gpt-neox-parallel/ },
  { key: 'rotary_emb_base', value: 100, cases: /^gpt-neox-parallel/ },
  { key: 'use_parallel_residual', value: false, cases: /^gpt-neox-parallel/ },
  { key: 'use_parallel_residual', value: true, cases: /^gpt-neox-sequential/ },
  { key: 'rope_parameters', value: { partial_rotary_factor: 1 }, cases: /^stablelm/ },
  { key: 'use_qkv_bias', value: false, cases: /^stablelm-parallel/ },
  { key: 'use_parallel_residual', value: true, cases: /^stablelm-sequential/ },
  { key: 'enable_bias', value: false, cases: /^opt-(tied|projected)/ },
  { key: 'activation_function', value: 'gelu_new', cases: /^opt-(tied|projected)/ },
  { key: 'activation_function', value: 'relu', cases: /^opt-untied/ },
];

describe.each(goldenCases)('%s', (name) => {
  const { config, weights, ids, logits, loss } = loadGolden(name);
  const wideWeights = new Map([...weights].map(([key, values]) => [key, Float64Array.from(values)]));

  it('has the logits and the loss of transformers', () => {
    expect(logitsOf(config, wideWeights, ids)).toBeClose(logits, 'float32');
    const total = ids.reduce((sum, row) => sum + referenceLoss(config, wideWeights, row), 0);
    expect(total / ids.length).toBeCloseTo(loss, 5);
  });

  const applicable = changes.filter(({ key, value, cases }) => cases.test(name) && config[key] !== value);
  it.each(applicable)('depends on $key', ({ key, value }) => {
    const changed = logitsOf({ ...config, [key]: value }, wideWeights, ids);
    expect(compareArrays(changed, logits).worst).toBeGreaterThan(1e-3);
  });
});
