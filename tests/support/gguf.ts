/** @file Models that llama.cpp can express, for tests of GGUF files. */
import type { TinyOptions } from './tiny.ts';

/** Heads as wide as the stream, and rows of whole blocks of Q8_0. */
export const expressibleModel: TinyOptions = {
  tokenizer: true,
  dims: { hidden: 32, ffn: 64, heads: 4, kv_heads: 2, group: 2, head_dim: 8, shared_ffn: 32 },
};

/** What a family needs besides, so that llama.cpp has its layers: no window, or a key head for each query head. */
const ofFamily: Readonly<Record<string, TinyOptions>> = {
  exaone4: { config: { sliding_window: null, layer_types: ['full_attention', 'full_attention'] } },
  olmoe: { dims: { ...expressibleModel.dims, kv_heads: 4, group: 1 } },
};

/** A model of this family that llama.cpp can express. */
export const expressibleOf = (id: string): TinyOptions => ({ ...expressibleModel, ...ofFamily[id] });

/** The classes of our families that llama.cpp's converter registers (TEXT_MODEL_MAP of conversion/__init__.py). */
export const converterClasses: readonly string[] = [
  'ArceeForCausalLM',
  'BloomForCausalLM',
  'Cohere2ForCausalLM',
  'CohereForCausalLM',
  'Ernie4_5ForCausalLM',
  'Exaone4ForCausalLM',
  'FalconForCausalLM',
  'GPT2LMHeadModel',
  'GPTBigCodeForCausalLM',
  'GPTNeoXForCausalLM',
  'Gemma2ForCausalLM',
  'Gemma3ForCausalLM',
  'GemmaForCausalLM',
  'Glm4ForCausalLM',
  'GlmForCausalLM',
  'GraniteForCausalLM',
  'HunYuanDenseV1ForCausalLM',
  'LlamaForCausalLM',
  'Ministral3ForCausalLM',
  'MistralForCausalLM',
  'MixtralForCausalLM',
  'NemotronForCausalLM',
  'Olmo2ForCausalLM',
  'Olmo3ForCausalLM',
  'OlmoForCausalLM',
  'OlmoeForCausalLM',
  'Phi3ForCausalLM',
  'PhiForCausalLM',
  'Qwen2ForCausalLM',
  'Qwen2MoeForCausalLM',
  'Qwen3ForCausalLM',
  'Qwen3MoeForCausalLM',
  'SeedOssForCausalLM',
  'SmolLM3ForCausalLM',
  'StableLmForCausalLM',
  'Starcoder2ForCausalLM',
];
