/**
 * @file Phi-3: Llama's layers with q, k, v in one weight, and gate and up in another. Must agree with transformers'
 * modeling_phi3.py.
 */
import { activate } from '../activations.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { mul, unbind, type NamedValue } from '../named-value.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gain, linear, lookup, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { llama } from './llama.ts';

const rope: RopeSpec = {
  factorKey: 'partial_rotary_factor',
  positions: 4096,
  originalPositions: 4096,
  types: ['default', 'longrope'],
  typeNames: { su: 'longrope', yarn: 'longrope' },
};

export const phi3: ModelFamily = {
  ...llama,
  id: 'phi3',
  title: 'Phi-3',
  releases: [
    groupedRelease('Phi-3 mini', [3072, 8192, 32, 32, 32]),
    groupedRelease('Phi-3 medium', [5120, 17_920, 40, 40, 10]),
  ],
  modelTypes: ['phi3'],
  architecture: 'Phi3ForCausalLM',
  dims: gatedDims({ vocab: 32_064, hidden: 3072, ffn: 8192, layers: 32, heads: 32 }),
  settings: {
    ...without(llama.settings, 'attentionBias', 'mlpBias'),
    eps: setting('rms_norm_eps', 1e-5),
    positions: setting('max_position_embeddings', 4096),
    window: optional('sliding_window', null),
    ...ropeSettings(rope),
  },
  parts: { qkv: ['q', 'k', 'v'], gate_up: ['gate', 'up'] },
  scores: { ...llama.scores, between: ['self_attn.qkv_proj/q', 'self_attn.qkv_proj/k'] },
  constraints: [],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                            lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':          gain('hidden'),
    'model.layers.{layer}.self_attn.qkv_proj.weight':       linear('qkv(kv_heads group head_dim | kv_heads head_dim | kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.o_proj.weight':         linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.post_attention_layernorm.weight': gain('hidden'),
    'model.layers.{layer}.mlp.gate_up_proj.weight':         linear('(gate_up ffn) <- hidden'),
    'model.layers.{layer}.mlp.down_proj.weight':            linear('hidden <- ffn'),
    'model.norm.weight':                                    gain('hidden'),
    'lm_head.weight':                                       linear('vocab <- hidden'),
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      project: (y, attention) => m.splitLinear(y, `${attention}.qkv_proj`),
      feedForward: (x, layer) => fusedGateMlp(m, x, `${layer}.mlp`),
    }),
};

/** A gated MLP whose gate and up projections are one weight. */
export function fusedGateMlp(m: ModelBuilder, x: NamedValue, mlp: string): NamedValue {
  const [gate, up] = unbind(m.linear(x, `${mlp}.gate_up_proj`), 'gate_up');
  return m.linear(mul(activate(gate!, String(m.settings['activation'])), up!), `${mlp}.down_proj`);
}
