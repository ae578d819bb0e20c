/** @file Tiny configs of decoders that differ from Llama in a few places: block forms, multipliers, positions. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { without } from '../../../src-main/model/tensor-specs.ts';
import { gpt2 } from './gpt2-llama.ts';
import { llamaSizes } from './sizes.ts';

const sliding = 'sliding_attention';
const full = 'full_attention';
const untied: JsonObject = { tie_word_embeddings: false };
const mha: JsonObject = { num_attention_heads: 3, num_key_value_heads: 3 };
const partial: JsonObject = { partial_rotary_factor: 0.5 };
/** Where the size of a head follows from hidden. */
const plainSizes: JsonObject = { ...(without(llamaSizes, 'head_dim') as JsonObject), hidden_size: 24 };
const yarn: JsonObject = {
  rope_type: 'yarn',
  rope_theta: 500,
  factor: 4,
  original_max_position_embeddings: 8,
};

const gptSizes = without(gpt2, 'model_type') as JsonObject;
const layerNormSizes: JsonObject = { ...llamaSizes, layer_norm_eps: 0.01 };

export const denseVariants: Readonly<Record<string, JsonObject>> = {
  'smollm3, tied, layers without positions': {
    ...llamaSizes,
    model_type: 'smollm3',
    no_rope_layers: [0, 1],
  },
  'smollm3, untied, biases, sliding window': {
    ...llamaSizes,
    ...untied,
    model_type: 'smollm3',
    num_hidden_layers: 3,
    attention_bias: true,
    mlp_bias: true,
    no_rope_layer_interval: 2,
    use_sliding_window: true,
    sliding_window: 3,
  },
  'granite, tied, multipliers': {
    ...llamaSizes,
    model_type: 'granite',
    embedding_multiplier: 3,
    residual_multiplier: 0.4,
    attention_multiplier: 0.3,
    logits_scaling: 2,
  },
  'olmo3, untied, YaRN in full layers': {
    ...llamaSizes,
    ...untied,
    model_type: 'olmo3',
    sliding_window: 3,
    layer_types: [sliding, full],
    rope_parameters: {
      [full]: yarn,
      [sliding]: { rope_type: 'default', rope_theta: 50 },
    },
  },
  'phi, untied, GQA': { ...plainSizes, ...untied, ...partial, model_type: 'phi', layer_norm_eps: 0.01 },
  'phi, tied, MHA': { ...plainSizes, ...mha, ...partial, model_type: 'phi', layer_norm_eps: 0.01 },
  'starcoder2, tied, sliding window': {
    ...llamaSizes,
    model_type: 'starcoder2',
    norm_epsilon: 0.01,
    sliding_window: 3,
  },
  'starcoder2, untied, no biases': {
    ...llamaSizes,
    ...untied,
    model_type: 'starcoder2',
    norm_epsilon: 0.01,
    use_bias: false,
  },
  'cohere, tied, biases': { ...layerNormSizes, model_type: 'cohere', attention_bias: true, logit_scale: 0.5 },
  'cohere2, tied, layers without positions': {
    ...plainSizes,
    layer_norm_eps: 0.01,
    model_type: 'cohere2',
    num_hidden_layers: 3,
    sliding_window: 3,
    sliding_window_pattern: 2,
    logit_scale: 0.5,
  },
  'glm, untied, biases': { ...llamaSizes, ...untied, ...partial, model_type: 'glm' },
  'glm4, tied, no biases': { ...llamaSizes, ...partial, model_type: 'glm4', attention_bias: false },
  'nemotron, untied, GQA': { ...llamaSizes, ...untied, ...partial, model_type: 'nemotron', norm_eps: 0.01 },
  'nemotron, tied, biases': {
    ...llamaSizes,
    ...partial,
    model_type: 'nemotron',
    norm_eps: 0.01,
    attention_bias: true,
    mlp_bias: true,
  },
  'ministral, untied, layer_types': {
    ...llamaSizes,
    ...untied,
    model_type: 'ministral',
    sliding_window: 3,
    layer_types: [sliding, full],
  },
  'ministral3, untied, YaRN, query scale': {
    ...llamaSizes,
    ...untied,
    model_type: 'ministral3',
    rope_parameters: { ...yarn, original_max_position_embeddings: 3, llama_4_scaling_beta: 0.4 },
  },
  'exaone4, tied, layers without positions': {
    ...llamaSizes,
    model_type: 'exaone4',
    sliding_window: 3,
    layer_types: [sliding, full],
  },
  'arcee, untied, biases': {
    ...llamaSizes,
    ...untied,
    model_type: 'arcee',
    attention_bias: true,
    mlp_bias: true,
  },
  'ernie4_5, tied, biases': { ...llamaSizes, model_type: 'ernie4_5', use_bias: true },
  'seed_oss, untied, all biases': {
    ...llamaSizes,
    ...untied,
    model_type: 'seed_oss',
    attention_out_bias: true,
    mlp_bias: true,
  },
  'hunyuan_v1_dense, tied, GQA': {
    ...llamaSizes,
    model_type: 'hunyuan_v1_dense',
    rope_scaling: { type: 'dynamic', factor: 1, alpha: 3 },
  },
  'helium, untied, MHA': { ...plainSizes, ...mha, ...untied, model_type: 'helium', head_dim: 8 },
  'gptj, untied, n_inner null': { ...gptSizes, ...untied, model_type: 'gptj', rotary_dim: 2, n_inner: null },
  'gpt_neo, tied, local layers': {
    model_type: 'gpt_neo',
    vocab_size: 23,
    max_position_embeddings: 12,
    hidden_size: 12,
    num_heads: 3,
    num_layers: 2,
    intermediate_size: 20,
    attention_types: [[['global', 'local'], 1]],
    window_size: 3,
    layer_norm_epsilon: 0.01,
    torch_dtype: 'float32',
  },
  'gpt_bigcode, tied': { ...gptSizes, model_type: 'gpt_bigcode' },
};
