/**
 * @file GPT-NeoX and Pythia: layer norms, partially rotated heads, q, k, v interleaved by head, and parallel or
 * sequential branches. Must agree with transformers' modeling_gpt_neox.py.
 */
import { activate } from '../activations.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { add, unbind, type NamedValue } from '../named-value.ts';
import { plainRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';

const rope: RopeSpec = {
  thetaKey: 'rotary_emb_base',
  factor: 0.25,
  factorKey: 'rotary_pct',
  positions: 2048,
};

export const gptNeox: ModelFamily = {
  id: 'gpt_neox',
  title: 'GPT-NeoX',
  releases: [
    plainRelease('Pythia 70M', [512, 6, 8]),
    plainRelease('Pythia 160M', [768, 12, 12]),
    plainRelease('Pythia 410M', [1024, 24, 16]),
    plainRelease('Pythia 1B', [2048, 16, 8]),
    plainRelease('Pythia 1.4B', [2048, 24, 16]),
    plainRelease('Pythia 2.8B', [2560, 32, 32]),
    plainRelease('Pythia 6.9B', [4096, 32, 32]),
    plainRelease('Pythia 12B', [5120, 36, 40]),
  ],
  modelTypes: ['gpt_neox'],
  architecture: 'GPTNeoXForCausalLM',
  gguf: true,
  dims: {
    vocab: size('vocab_size', { default: 50_432 }),
    hidden: size('hidden_size', { default: 6144 }),
    heads: size('num_attention_heads', { default: 64 }),
    ffn: size('intermediate_size', { default: 24_576 }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('num_hidden_layers', { default: 44 }),
  },
  settings: {
    eps: setting('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'gelu'),
    std: setting('initializer_range', 0.02),
    attentionBias: setting('attention_bias', true),
    parallelResidual: setting('use_parallel_residual', true),
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings(rope),
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'embed_out.weight', tiedTo: 'embed_in.weight', norm: 'final_layer_norm' },
  scores: {
    over: 'head_dim',
    between: ['attention.query_key_value/q', 'attention.query_key_value/k'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: { head_dim: 'each entry of a head has a fixed rotary frequency' },
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'embed_in.weight':                                    lookup('vocab : hidden'),
    'layers.{layer}.input_layernorm.weight':              gain('hidden'),
    'layers.{layer}.input_layernorm.bias':                shift('hidden'),
    'layers.{layer}.attention.query_key_value.weight':    linear('(heads qkv head_dim) <- hidden'),
    'layers.{layer}.attention.query_key_value.bias':      bias('(heads qkv head_dim)', 'attentionBias'),
    'layers.{layer}.attention.dense.weight':              linear('hidden <- (heads head_dim)'),
    'layers.{layer}.attention.dense.bias':                bias('hidden', 'attentionBias'),
    'layers.{layer}.post_attention_layernorm.weight':     gain('hidden'),
    'layers.{layer}.post_attention_layernorm.bias':       shift('hidden'),
    'layers.{layer}.mlp.dense_h_to_4h.weight':            linear('ffn <- hidden'),
    'layers.{layer}.mlp.dense_h_to_4h.bias':              bias('ffn'),
    'layers.{layer}.mlp.dense_4h_to_h.weight':            linear('hidden <- ffn'),
    'layers.{layer}.mlp.dense_4h_to_h.bias':              bias('hidden'),
    'final_layer_norm.weight':                            gain('hidden'),
    'final_layer_norm.bias':                              shift('hidden'),
    'embed_out.weight':                                   linear('vocab <- hidden'),
  },
  baseModelPrefix: 'gpt_neox',
  namePrefix: 'gpt_neox.',
  otherNames: { 'lm_head.': 'embed_out.' },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward(m, tokens) {
    const scale = m.dims['head_dim']! ** -0.5;
    let x = m.embed('embed_in', tokens);
    for (let l = 0; l < m.dims['layers']!; l++) {
      const layer = `layers.${l}`;
      const qkv = m.linear(m.norm(x, `${layer}.input_layernorm`), `${layer}.attention.query_key_value`);
      const [q, k, v] = unbind(qkv, 'qkv') as [NamedValue, NamedValue, NamedValue];
      const attended = m.attention(m.rotary(q), m.rotary(k), v, scale);
      const residual = add(x, m.linear(attended, `${layer}.attention.dense`));
      const mlpInput = m.settings['parallelResidual'] === true ? x : residual;
      const y = m.norm(mlpInput, `${layer}.post_attention_layernorm`);
      const inner = activate(m.linear(y, `${layer}.mlp.dense_h_to_4h`), String(m.settings['activation']));
      x = add(residual, m.linear(inner, `${layer}.mlp.dense_4h_to_h`));
    }
    return m.norm(x, 'final_layer_norm');
  },
};
