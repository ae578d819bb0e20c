/**
 * @file Gemma 2: Gemma with norms on both ends of each branch, soft-capped scores and logits, and a sliding window
 * in every other layer. Must agree with transformers' modeling_gemma2.py.
 */
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { assertCausal, gemma, gemmaDims } from './gemma.ts';
import { assertLayerTypesSupported, periodicLayerTypes } from './layer-types.ts';
import { llama } from './llama.ts';
import { sandwichDecoder, sandwichNorms } from './sandwich-decoder.ts';

const layerTypes = periodicLayerTypes(() => 2);

const rope: RopeSpec = { positions: 8192, hasLayerTypes: true };

export const gemma2: ModelFamily = {
  ...gemma,
  id: 'gemma2',
  title: 'Gemma 2',
  releases: [
    groupedRelease('Gemma 2 2B', [2304, 9216, 26, 8, 4, 256]),
    groupedRelease('Gemma 2 9B', [3584, 14_336, 42, 16, 8, 256]),
    groupedRelease('Gemma 2 27B', [4608, 36_864, 46, 32, 16, 128]),
  ],
  modelTypes: ['gemma2'],
  architecture: 'Gemma2ForCausalLM',
  dims: gemmaDims({ vocab: 256_000, hidden: 2304, ffn: 9216, layers: 26, heads: 8, kvHeads: 4 }),
  settings: {
    ...gemma.settings,
    activation: setting('hidden_activation', 'gelu_pytorch_tanh'),
    queryPreAttnScalar: setting('query_pre_attn_scalar', 256),
    attnLogitSoftcap: optional('attn_logit_softcapping', 50),
    finalLogitSoftcap: optional('final_logit_softcapping', 30),
    window: optional('sliding_window', 4096),
    layerTypes: layerTypes.setting,
    ...ropeSettings(rope),
  },
  head: { ...gemma.head, softcap: 'finalLogitSoftcap' },
  scores: { ...gemma.scores, scale: () => 1 }, // query_pre_attn_scalar does not depend on sizes
  constraints: llama.constraints,
  tensors: { ...gemma.tensors, ...sandwichNorms },
  remapLayers: layerTypes.remapLayers,
  floatKeys: ['attn_logit_softcapping', 'final_logit_softcapping'],
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertCausal(config);
    assertLayerTypesSupported(config);
  },
  forward: (m, tokens) => sandwichDecoder(m, tokens, (x) => m.rotary(x)),
};
