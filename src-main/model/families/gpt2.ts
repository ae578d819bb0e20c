/**
 * @file GPT-2: learned positions, layer norms, and fused q, k, v stored as [in, out]. Must agree with transformers'
 * modeling_gpt2.py.
 */
import { refuse } from '../../base/errors.ts';
import { activate } from '../activations.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { add, unbind } from '../named-value.ts';
import { plainRelease } from '../releases.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';

export const gpt2: ModelFamily = {
  id: 'gpt2',
  title: 'GPT-2',
  releases: [
    plainRelease('GPT-2', [768, 12, 12]),
    plainRelease('GPT-2 Medium', [1024, 24, 16]),
    plainRelease('GPT-2 Large', [1280, 36, 20]),
    plainRelease('GPT-2 XL', [1600, 48, 25]),
  ],
  modelTypes: ['gpt2'],
  architecture: 'GPT2LMHeadModel',
  gguf: true,
  attributeMap: {
    hidden_size: 'n_embd',
    max_position_embeddings: 'n_positions',
    num_attention_heads: 'n_head',
    num_hidden_layers: 'n_layer',
  },
  dims: {
    vocab: size('vocab_size', { default: 50_257 }),
    positions: size('n_positions', { default: 1024 }),
    hidden: size('n_embd', { default: 768 }),
    heads: size('n_head', { default: 12 }),
    ffn: size('n_inner', { fallback: ({ hidden }) => 4 * hidden! }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('n_layer', { default: 12 }),
  },
  settings: {
    eps: setting('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    activation: setting('activation_function', 'gelu_new'),
    std: setting('initializer_range', 0.02),
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'wte.weight', norm: 'ln_f' },
  scores: {
    over: 'head_dim',
    between: ['attn.c_attn/q', 'attn.c_attn/k'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: {},
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'wte.weight':                   lookup('vocab : hidden'),
    'wpe.weight':                   lookup('positions : hidden'),
    'h.{layer}.ln_1.weight':        gain('hidden'),
    'h.{layer}.ln_1.bias':          shift('hidden'),
    'h.{layer}.attn.c_attn.weight': linear('hidden -> (qkv heads head_dim)'),
    'h.{layer}.attn.c_attn.bias':   bias('(qkv heads head_dim)'),
    'h.{layer}.attn.c_proj.weight': linear('(heads head_dim) -> hidden'),
    'h.{layer}.attn.c_proj.bias':   bias('hidden'),
    'h.{layer}.ln_2.weight':        gain('hidden'),
    'h.{layer}.ln_2.bias':          shift('hidden'),
    'h.{layer}.mlp.c_fc.weight':    linear('hidden -> ffn'),
    'h.{layer}.mlp.c_fc.bias':      bias('ffn'),
    'h.{layer}.mlp.c_proj.weight':  linear('ffn -> hidden'),
    'h.{layer}.mlp.c_proj.bias':    bias('hidden'),
    'ln_f.weight':                  gain('hidden'),
    'ln_f.bias':                    shift('hidden'),
    'lm_head.weight':               linear('vocab <- hidden'),
  },
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  assertSupported(config) {
    const unsupported = (what: string, why: string): never => refuse('checkpoint/unsupported', { what, why });
    if (config['scale_attn_by_inverse_layer_idx'] === true)
      unsupported('scale_attn_by_inverse_layer_idx', 'scores would depend on the layer number');
    if (config['scale_attn_weights'] === false)
      unsupported('scale_attn_weights: false', 'the forward pass always scales scores');
    if (config['add_cross_attention'] === true)
      unsupported('add_cross_attention', 'only decoders without cross attention are supported');
  },
  forward(m, tokens) {
    const scale = m.dims['head_dim']! ** -0.5;
    let x = add(m.embed('wte', tokens), m.positionRows('wpe', tokens));
    for (let l = 0; l < m.dims['layers']!; l++) {
      const qkv = m.linear(m.norm(x, `h.${l}.ln_1`), `h.${l}.attn.c_attn`);
      const [q, k, v] = unbind(qkv, 'qkv');
      x = add(x, m.linear(m.attention(q!, k!, v!, scale), `h.${l}.attn.c_proj`));
      const inner = m.linear(m.norm(x, `h.${l}.ln_2`), `h.${l}.mlp.c_fc`);
      x = add(x, m.linear(activate(inner, String(m.settings['activation'])), `h.${l}.mlp.c_proj`));
    }
    return m.norm(x, 'ln_f');
  },
};
