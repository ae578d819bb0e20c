/** @file Model types that are not supported, with the reason: what their layers have that no table can say. */

const stateSpace = 'it has state-space layers (Mamba), whose state Cambium has no operator for';
const linearAttention = 'it has linear attention with a recurrent state, which Cambium has no operator for';
const latent = 'it has latent attention, whose keys and values are stored compressed';

export const unsupportedTypes: Readonly<Record<string, string>> = {
  bamba: stateSpace,
  falcon_h1: stateSpace,
  falcon_mamba: stateSpace,
  granitemoehybrid: stateSpace,
  jamba: stateSpace,
  mamba: stateSpace,
  mamba2: stateSpace,
  nemotron_h: stateSpace,
  zamba: stateSpace,
  zamba2: stateSpace,
  kimi_linear: linearAttention,
  minimax: linearAttention,
  olmo_hybrid: linearAttention,
  qwen3_next: linearAttention,
  qwen3_5: linearAttention,
  qwen3_5_text: linearAttention,
  qwen3_5_moe: linearAttention,
  qwen3_5_moe_text: linearAttention,
  recurrent_gemma: 'it has recurrent layers, whose state Cambium has no operator for',
  rwkv: 'it has recurrent layers, whose state Cambium has no operator for',
  xlstm: 'it has recurrent layers, whose state Cambium has no operator for',
  lfm2: 'it has convolutions over positions, which Cambium has no operator for',
  lfm2_moe: 'it has convolutions over positions, which Cambium has no operator for',
  deepseek_v2: latent,
  deepseek_v3: latent,
  minicpm3: latent,
  gpt_oss: 'its attention has learned sinks, and its experts clamp their gates',
  gemma3n: 'it has embeddings for every layer and alternating residual streams',
  gemma3n_text: 'it has embeddings for every layer and alternating residual streams',
  gemma4: 'it has layers that share keys and values, and embeddings for every layer',
  gemma4_text: 'it has layers that share keys and values, and embeddings for every layer',
  llama4: 'it attends within chunks and scales queries by their position',
  llama4_text: 'it attends within chunks and scales queries by their position',
  apertus: 'its activation (xIELU) has trained parameters, which no table of a family has',
};
