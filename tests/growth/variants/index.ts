/** @file Tiny configs of every family, in all combinations that growth treats differently. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { alibiVariants } from './alibi.ts';
import { denseVariants } from './dense.ts';
import { gemmaOlmoPhi3Variants } from './gemma-olmo-phi3.ts';
import { gpt2LlamaVariants } from './gpt2-llama.ts';
import { mistralQwenVariants } from './mistral-qwen.ts';
import { mixtureVariants, olmoeVariants } from './mixtures.ts';
import { neoxStablelmOptVariants } from './neox-stablelm-opt.ts';

export { bloom, falcon, mpt } from './alibi.ts';
export { gemma, gemma2, gemma3, gemmaOlmoPhi3Variants, olmo, olmo2, phi3 } from './gemma-olmo-phi3.ts';
export { gpt2, llama } from './gpt2-llama.ts';
export { mistral, mistralQwenVariants, qwen2, qwen3 } from './mistral-qwen.ts';
export { mixtral, mixtureVariants, qwen2Moe, qwen3Moe } from './mixtures.ts';
export { gptNeox, neoxStablelmOptVariants, opt, optProjected, stablelm } from './neox-stablelm-opt.ts';

/** Every tied and untied head, number of KV heads, bias, window and norm placement that growth must handle. */
export const familyVariants: Readonly<Record<string, JsonObject>> = {
  ...gpt2LlamaVariants,
  ...mistralQwenVariants,
  ...neoxStablelmOptVariants,
  ...mixtureVariants,
  ...olmoeVariants,
  ...gemmaOlmoPhi3Variants,
  ...denseVariants,
  ...alibiVariants,
};
