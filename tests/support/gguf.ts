/** @file Models that llama.cpp can express, for tests of GGUF files. */
import type { TinyOptions } from './tiny.ts';

/** Heads as wide as the stream, and rows of whole blocks of Q8_0. */
export const expressibleModel: TinyOptions = {
  tokenizer: true,
  dims: { hidden: 32, ffn: 64, heads: 4, kv_heads: 2, group: 2, head_dim: 8, shared_ffn: 32 },
};
