/**
 * @file GPT-2: learned positions, layer norms, fused q/k/v stored as [in, out], tied head. Agrees with
 * transformers' modeling_gpt2.py.
 */
import { refuse } from '../../base/errors.ts';
import { activate } from '../layers.ts';
import { add, unbind } from '../named.ts';
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

export const gpt2: ModelFamily = {
  id: 'gpt2',
  title: 'GPT-2',
  modelTypes: ['gpt2'],
  architecture: 'GPT2LMHeadModel',
  gguf: true,
  dims: {
    vocab: size('vocab_size'),
    positions: size('n_positions'),
    hidden: size('n_embd'),
    heads: size('n_head'),
    ffn: size('n_inner', (d) => 4 * d.hidden!),
    head_dim: derived((d) => d.hidden! / d.heads!),
    layers: size('n_layer'),
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
    scale: (d) => d.head_dim! ** -0.5,
  },
  frozen: {},
  constraints: [
    { axis: 'hidden', why: 'each head is hidden / heads wide', holds: (d) => d.hidden! % d.heads! === 0 },
  ],
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
  prefixes: ['transformer.'],
  ignoredKeys: [/^h\.\d+\.attn\.(bias|masked_bias)$/],
  assertSupported(config) {
    const no = (key: string, why: string): never => refuse('checkpoint/unsupported', { what: key, why });
    if (config['scale_attn_by_inverse_layer_idx'] === true)
      no('scale_attn_by_inverse_layer_idx', 'scores would depend on the layer number');
    if (config['scale_attn_weights'] === false)
      no('scale_attn_weights: false', 'the forward pass always scales scores');
    if (config['add_cross_attention'] === true)
      no('add_cross_attention', 'only decoders without cross attention are known');
  },
  forward(m, tokens) {
    const scale = m.dims['head_dim']! ** -0.5;
    let x = add(m.embed('wte', tokens), m.places('wpe', tokens));
    for (let l = 0; l < m.dims['layers']!; l++) {
      const [q, k, v] = unbind(m.linear(m.norm(x, `h.${l}.ln_1`), `h.${l}.attn.c_attn`), 'qkv');
      x = add(x, m.linear(m.attention(q!, k!, v!, scale), `h.${l}.attn.c_proj`));
      x = add(
        x,
        m.linear(
          activate(m.linear(m.norm(x, `h.${l}.ln_2`), `h.${l}.mlp.c_fc`), String(m.settings['activation'])),
          `h.${l}.mlp.c_proj`,
        ),
      );
    }
    return m.norm(x, 'ln_f');
  },
};
