/**
 * @file StableLM: Llama's attention and gated MLP under layer norms, a share of each head turned, both
 * branches of a layer alike or one after the other. Agrees with transformers' modeling_stablelm.py.
 */
import { refuse } from '../../base/errors.ts';
import { add } from '../named.ts';
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
import { gatedMlp, sharedHeads } from './llama.ts';

export const stablelm: ModelFamily = {
  id: 'stablelm',
  title: 'StableLM',
  modelTypes: ['stablelm'],
  architecture: 'StableLmForCausalLM',
  gguf: true,
  dims: {
    vocab: size('vocab_size'),
    hidden: size('hidden_size'),
    ...sharedHeads(32),
    head_dim: derived((d) => d['hidden']! / (d['kv_heads']! * d['group']!)),
    ffn: size('intermediate_size'),
    layers: size('num_hidden_layers'),
  },
  settings: {
    eps: setting('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'silu'),
    std: setting('initializer_range', 0.02),
    qkvBias: setting('use_qkv_bias', false),
    parallel: setting('use_parallel_residual', false),
    // the norm between the branches is there
    sequential: { keys: ['use_parallel_residual'], read: (c) => c['use_parallel_residual'] !== true },
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings({ share: 0.25, shareKey: 'partial_rotary_factor' }),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'model.embed_tokens.weight', norm: 'model.norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: (d) => d['head_dim']! ** -0.5,
  },
  frozen: { head_dim: 'its entries are rotary frequencies' },
  constraints: [
    {
      axis: 'hidden',
      why: 'each head is hidden / heads wide',
      holds: (d) => d['hidden']! % (d['kv_heads']! * d['group']!) === 0,
    },
  ],
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                              lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':            gain('hidden'),
    'model.layers.{layer}.input_layernorm.bias':              shift('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight':           linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':             bias('(kv_heads group head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.k_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':             bias('(kv_heads head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.v_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':             bias('(kv_heads head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.o_proj.weight':           linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.post_attention_layernorm.weight':   gain('hidden', 'sequential'),
    'model.layers.{layer}.post_attention_layernorm.bias':     shift('hidden', 'sequential'),
    'model.layers.{layer}.mlp.gate_proj.weight':              linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.up_proj.weight':                linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.down_proj.weight':              linear('hidden <- ffn'),
    'model.norm.weight':                                      gain('hidden'),
    'model.norm.bias':                                        shift('hidden'),
    'lm_head.weight':                                         linear('vocab <- hidden'),
  },
  prefixes: [],
  ignoredKeys: [/^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/],
  assertSupported(config) {
    refuseRope(config);
    if (config['qk_layernorm'] === true)
      refuse('checkpoint/unsupported', {
        what: 'qk_layernorm',
        why: 'each head would have a norm of its own',
      });
  },
  forward(m, tokens) {
    const s = m.settings;
    const scale = m.dims['head_dim']! ** -0.5;
    let x = m.embed('model.embed_tokens', tokens);
    for (let l = 0; l < m.dims['layers']!; l++) {
      const at = `model.layers.${l}`;
      const y = m.norm(x, `${at}.input_layernorm`);
      const q = m.rotary(m.linear(y, `${at}.self_attn.q_proj`));
      const k = m.rotary(m.linear(y, `${at}.self_attn.k_proj`));
      const read = add(
        x,
        m.linear(m.attention(q, k, m.linear(y, `${at}.self_attn.v_proj`), scale), `${at}.self_attn.o_proj`),
      );
      x = add(
        read,
        gatedMlp(m, s['parallel'] === true ? y : m.norm(read, `${at}.post_attention_layernorm`), `${at}.mlp`),
      );
    }
    return m.norm(x, 'model.norm');
  },
};
