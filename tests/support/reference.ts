/** @file Forward passes in float64, written from transformers' modeling files. They share no code with src-main. */
import { alibiLogits } from './reference/alibi.ts';
import { decoderLogits, decoderTypes } from './reference/decoder.ts';
import { gemmaLogits } from './reference/gemma.ts';
import { gpt2Logits } from './reference/gpt2.ts';
import { gptLogits } from './reference/gpt.ts';
import { gptNeoxLogits } from './reference/gpt-neox.ts';
import { llamaLogits } from './reference/llama.ts';
import { olmoLogits } from './reference/olmo.ts';
import { optLogits } from './reference/opt.ts';
import type { Config, Forward, Weights } from './reference/layers.ts';
import { phi3Logits } from './reference/phi3.ts';
import { stablelmLogits } from './reference/stablelm.ts';

export type { Config, Weights } from './reference/layers.ts';

const forwards: Readonly<Record<string, Forward>> = {
  gpt2: gpt2Logits,
  llama: llamaLogits,
  mistral: llamaLogits,
  qwen2: llamaLogits,
  qwen3: llamaLogits,
  gpt_neox: gptNeoxLogits,
  opt: optLogits,
  stablelm: stablelmLogits,
  gemma: gemmaLogits,
  gemma2: gemmaLogits,
  gemma3_text: gemmaLogits,
  olmo: olmoLogits,
  olmo2: olmoLogits,
  phi3: phi3Logits,
  mixtral: llamaLogits,
  qwen2_moe: llamaLogits,
  qwen3_moe: llamaLogits,
  gptj: gptLogits,
  gpt_neo: gptLogits,
  gpt_bigcode: gptLogits,
  bloom: alibiLogits,
  mpt: alibiLogits,
  falcon: alibiLogits,
  ...Object.fromEntries(decoderTypes.map((type) => [type, decoderLogits])),
};

/** Logits [tokens, vocab], row-major, of one sequence. Names of weights have no prefix. */
export function referenceLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const type = String(config['model_type']);
  const forward = forwards[type];
  if (!forward) throw new Error(`the reference has no forward pass for ${type}`);
  return forward(config, weights, tokens);
}

/** Mean next-token loss of `tokens` in nats. */
export function referenceLoss(config: Config, weights: Weights, tokens: readonly number[]): number {
  const logits = referenceLogits(config, weights, tokens);
  const vocab = logits.length / tokens.length;
  let loss = 0;
  for (let t = 0; t + 1 < tokens.length; t++) {
    const row = logits.subarray(t * vocab, (t + 1) * vocab);
    const max = Math.max(...row);
    const logSumExp = max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
    loss += logSumExp - row[tokens[t + 1]!]!;
  }
  return loss / (tokens.length - 1);
}
