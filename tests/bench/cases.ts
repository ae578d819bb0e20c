/** @file The models of the benchmarks, as config.json describes them. */
import type { JsonObject } from '../../src-main/base/json.ts';

interface LlamaSizes {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly vocab: number;
  readonly tied: boolean;
}

export const llama = ({ hidden, layers, heads, kvHeads, ffn, vocab, tied }: LlamaSizes): JsonObject => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: vocab,
  hidden_size: hidden,
  intermediate_size: ffn,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
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

export const gpt2 = (hidden: number, layers: number, heads: number, vocab: number): JsonObject => ({
  architectures: ['GPT2LMHeadModel'],
  model_type: 'gpt2',
  vocab_size: vocab,
  n_positions: 1024,
  n_embd: hidden,
  n_head: heads,
  n_layer: layers,
  n_inner: null,
  layer_norm_epsilon: 1e-5,
  activation_function: 'gelu_new',
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  initializer_range: 0.02,
  torch_dtype: 'float32',
});

export interface TrainCase {
  readonly name: string;
  readonly config: JsonObject;
  readonly microBatch: number;
  readonly contextLength: number;
  readonly steps: number;
}

/**
 * On the CPU: the demo checkpoint grown ×2; the sizes of stories15M; 12 M and 49 M parameters, nearly all of them
 * in matrices.
 */
// prettier-ignore
export const cpuTrainCases: readonly TrainCase[] = [
  { name: 'demo-3M', config: llama({ hidden: 256, layers: 4, heads: 8, kvHeads: 4, ffn: 688, vocab: 1024, tied: true }), microBatch: 16, contextLength: 128, steps: 24 },
  { name: 'stories-15M', config: llama({ hidden: 288, layers: 6, heads: 6, kvHeads: 6, ffn: 768, vocab: 32_000, tied: true }), microBatch: 8, contextLength: 256, steps: 12 },
  { name: 'dense-12M', config: llama({ hidden: 384, layers: 6, heads: 6, kvHeads: 6, ffn: 1024, vocab: 2048, tied: false }), microBatch: 8, contextLength: 256, steps: 16 },
  { name: 'dense-49M', config: llama({ hidden: 512, layers: 12, heads: 8, kvHeads: 8, ffn: 1536, vocab: 8192, tied: false }), microBatch: 8, contextLength: 256, steps: 9 },
];

/** On a GPU in bfloat16: 124 M parameters (the sizes of GPT-2), 350 M, and 1.1 B (the sizes of TinyLlama). */
// prettier-ignore
export const gpuTrainCases: readonly TrainCase[] = [
  { name: '124M', config: llama({ hidden: 768, layers: 12, heads: 12, kvHeads: 12, ffn: 2048, vocab: 50_257, tied: true }), microBatch: 32, contextLength: 1024, steps: 13 },
  { name: '350M', config: llama({ hidden: 1024, layers: 24, heads: 16, kvHeads: 16, ffn: 2816, vocab: 32_000, tied: true }), microBatch: 16, contextLength: 1024, steps: 13 },
  { name: '1.1B', config: llama({ hidden: 2048, layers: 22, heads: 32, kvHeads: 4, ffn: 5632, vocab: 32_000, tied: false }), microBatch: 8, contextLength: 1024, steps: 13 },
];

/** Checkpoints that are grown ×2, by their size in GB (10^9 bytes, float32). */
// prettier-ignore
export const growCases: Readonly<Record<string, JsonObject>> = {
  '1': llama({ hidden: 1536, layers: 8, heads: 24, kvHeads: 12, ffn: 4096, vocab: 32_000, tied: true }),
  '4': llama({ hidden: 3072, layers: 9, heads: 24, kvHeads: 8, ffn: 8192, vocab: 32_000, tied: true }),
};
