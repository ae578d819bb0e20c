/** @file What the benchmarks run on: model shapes by name, as config.json has them. */
import type { JsonObject } from '../../src-main/base/json.ts';

export const llama = (
  hidden: number,
  layers: number,
  heads: number,
  kv: number,
  ffn: number,
  vocab: number,
  tied: boolean,
): JsonObject => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: vocab,
  hidden_size: hidden,
  intermediate_size: ffn,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kv,
  head_dim: hidden / heads,
  max_position_embeddings: 1024,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: tied,
  bos_token_id: 0,
  eos_token_id: 0,
  initializer_range: 0.02,
  torch_dtype: 'float32',
});

export interface TrainCase {
  readonly name: string;
  readonly config: JsonObject;
  readonly batch: number;
  readonly sequence: number;
  readonly steps: number;
}

/**
 * The built-in example grown ×2; a public 15 M shape (stories15M's) with its 32,000 tokens; 12 M and 49 M
 * parameters that are nearly all matrices.
 */
export const trainCases: readonly TrainCase[] = [
  { name: 'demo-3M', config: llama(256, 4, 8, 4, 688, 1024, true), batch: 16, sequence: 128, steps: 24 },
  { name: 'stories-15M', config: llama(288, 6, 6, 6, 768, 32_000, true), batch: 8, sequence: 256, steps: 12 },
  { name: 'dense-12M', config: llama(384, 6, 6, 6, 1024, 2048, false), batch: 8, sequence: 256, steps: 16 },
  { name: 'dense-49M', config: llama(512, 12, 8, 8, 1536, 8192, false), batch: 8, sequence: 256, steps: 9 },
];

/**
 * On a GPU, in bfloat16: 124 M (GPT-2's sizes), 350 M and 1.1 B parameters (TinyLlama's sizes), 1,024 tokens
 * a sequence.
 */
export const cudaCases: readonly TrainCase[] = [
  { name: '124M', config: llama(768, 12, 12, 12, 2048, 50_257, true), batch: 32, sequence: 1024, steps: 13 },
  { name: '350M', config: llama(1024, 24, 16, 16, 2816, 32_000, true), batch: 16, sequence: 1024, steps: 13 },
  { name: '1.1B', config: llama(2048, 22, 32, 4, 5632, 32_000, false), batch: 8, sequence: 1024, steps: 13 },
];

/** Checkpoints of about so many GB (10^9 bytes, float32) that are grown ×2. */
export const growCases: Readonly<Record<string, JsonObject>> = {
  '1': llama(1536, 8, 24, 12, 4096, 32_000, true),
  '4': llama(3072, 9, 24, 8, 8192, 32_000, true),
};
