/**
 * @file GPT-NeoX and Pythia: layer norms, a share of each head turned, q/k/v interleaved head by head, both
 * branches of a layer read the same stream or one after the other. Agrees with transformers'
 * modeling_gpt_neox.py.
 */
import { activate } from '../layers.ts';
import { add, unbind, type NamedValue } from '../named.ts';
import {
  bias,
  derived,
  gain,
  linear,
  lookup,
  setting,
  shift,
  size,
  type ModelFamily,
} from '../family.ts';
import { refuseRope, ropeSettings } from '../rope.ts';

export const gptNeox: ModelFamily = {
  id: 'gpt_neox',
  title: 'GPT-NeoX',
  modelTypes: ['gpt_neox'],
  architecture: 'GPTNeoXForCausalLM',
  gguf: true,
  dims: {
    vocab: size('vocab_size'),
    hidden: size('hidden_size'),
    heads: size('num_attention_heads'),
    ffn: size('intermediate_size'),
    head_dim: derived((d) => d['hidden']! / d['heads']!),
    layers: size('num_hidden_layers'),
  },
  settings: {
    eps: setting('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'gelu'),
    std: setting('initializer_range', 0.02),
    attentionBias: setting('attention_bias', true),
    parallel: setting('use_parallel_residual', true),
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings({ thetaKey: 'rotary_emb_base', share: 0.25, shareKey: 'rotary_pct' }),
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'embed_out.weight', tiedTo: 'embed_in.weight', norm: 'final_layer_norm' },
  scores: {
    over: 'head_dim',
    between: ['attention.query_key_value/q', 'attention.query_key_value/k'],
    scale: (d) => d['head_dim']! ** -0.5,
  },
  frozen: { head_dim: 'its entries are rotary frequencies' },
  constraints: [
    {
      axis: 'hidden',
      why: 'each head is hidden / heads wide',
      holds: (d) => d['hidden']! % d['heads']! === 0,
    },
  ],
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
  prefixes: ['gpt_neox.'],
  ignoredKeys: [/^layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/],
  assertSupported: refuseRope,
  forward(m, tokens) {
    const s = m.settings;
    const scale = m.dims['head_dim']! ** -0.5;
    const mlp = (x: NamedValue, at: string): NamedValue =>
      m.linear(
        activate(
          m.linear(m.norm(x, `${at}.post_attention_layernorm`), `${at}.mlp.dense_h_to_4h`),
          String(s['activation']),
        ),
        `${at}.mlp.dense_4h_to_h`,
      );
    let x = m.embed('embed_in', tokens);
    for (let l = 0; l < m.dims['layers']!; l++) {
      const at = `layers.${l}`;
      const [q, k, v] = unbind(
        m.linear(m.norm(x, `${at}.input_layernorm`), `${at}.attention.query_key_value`),
        'qkv',
      ) as [NamedValue, NamedValue, NamedValue];
      const read = add(x, m.linear(m.attention(m.rotary(q), m.rotary(k), v, scale), `${at}.attention.dense`));
      x = add(read, mlp(s['parallel'] === true ? x : read, at));
    }
    return m.norm(x, 'final_layer_norm');
  },
};
