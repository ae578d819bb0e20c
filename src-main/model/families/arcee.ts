/** @file Arcee (AFM): Llama with squared ReLU without a gate. Must agree with transformers' modeling_arcee.py. */
import { setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, plainMlp } from './gated-decoder.ts';
import { llama } from './llama.ts';

const rope: RopeSpec = { positions: 4096 };
const gate = 'model.layers.{layer}.mlp.gate_proj';

export const arcee: ModelFamily = {
  ...llama,
  id: 'arcee',
  title: 'Arcee',
  releases: [groupedRelease('AFM 4.5B', [2560, 18_432, 36, 20, 4])],
  modelTypes: ['arcee'],
  architecture: 'ArceeForCausalLM',
  dims: gatedDims({ vocab: 32_000, hidden: 2560, ffn: 18_432, layers: 32, heads: 32 }),
  settings: {
    ...llama.settings,
    eps: setting('rms_norm_eps', 1e-5),
    activation: setting('hidden_act', 'relu2'),
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings(rope),
  },
  tensors: without(llama.tensors, `${gate}.weight`, `${gate}.bias`),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'up_proj', down: 'down_proj' }),
    }),
};
