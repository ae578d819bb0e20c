/**
 * @file OPT: learned positions from the table's third row on, layer norms with a fixed eps; and its one model
 * whose norms stand on the stream and whose token table is narrower than it. Agrees with transformers'
 * modeling_opt.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Value } from '../../graph/ops/build.ts';
import { activate, type Reader } from '../layers.ts';
import { add, type NamedValue } from '../named.ts';
import {
  bias,
  derived,
  gain,
  linear,
  lookup,
  setting,
  shift,
  size,
  without,
  type ModelFamily,
} from '../family.ts';

const unused = 2;
const after = (config: JsonObject): boolean => config['do_layer_norm_before'] === false;
const no = (what: string, why: string): never => refuse('checkpoint/unsupported', { what, why });

function refuseBoth(config: JsonObject): void {
  if (config['_remove_final_layer_norm'] === true)
    no('_remove_final_layer_norm', 'the forward pass of this family ends as its table says');
  if (config['layer_norm_elementwise_affine'] === false)
    no('layer_norm_elementwise_affine: false', 'growth keeps the function through the gains of norms');
}

/** Positions, as rows of their table: the first two are never read. */
const places = (m: Reader, tokens: Value): NamedValue => m.places('embed_positions', tokens, unused);

/** All layers on the stream `x`; each norm stands before its branch, or after the branch has been added. */
function layers(m: Reader, x: NamedValue, before: boolean): NamedValue {
  const scale = m.dims['head_dim']! ** -0.5;
  const act = String(m.settings['activation']);
  const branch = (y: NamedValue, norm: string, f: (z: NamedValue) => NamedValue): NamedValue =>
    before ? add(y, f(m.norm(y, norm))) : m.norm(add(y, f(y)), norm);
  for (let l = 0; l < m.dims['layers']!; l++) {
    const at = `layers.${l}`;
    const of = (z: NamedValue, name: string): NamedValue => m.linear(z, `${at}.self_attn.${name}`);
    x = branch(x, `${at}.self_attn_layer_norm`, (z) =>
      of(m.attention(of(z, 'q_proj'), of(z, 'k_proj'), of(z, 'v_proj'), scale), 'out_proj'),
    );
    x = branch(x, `${at}.final_layer_norm`, (z) =>
      m.linear(activate(m.linear(z, `${at}.fc1`), act), `${at}.fc2`),
    );
  }
  return x;
}

export const opt: ModelFamily = {
  id: 'opt',
  title: 'OPT',
  modelTypes: ['opt'],
  architecture: 'OPTForCausalLM',
  matches: (config) => !after(config),
  dims: {
    vocab: size('vocab_size'),
    positions: size('max_position_embeddings'),
    places: derived((d) => d['positions']! + unused),
    hidden: {
      ...size('hidden_size'),
      keys: ['hidden_size', 'word_embed_proj_dim'],
      write: (d) => ({ hidden_size: d['hidden']!, word_embed_proj_dim: d['hidden']! }),
    },
    heads: size('num_attention_heads'),
    ffn: size('ffn_dim'),
    head_dim: derived((d) => d['hidden']! / d['heads']!),
    layers: size('num_hidden_layers'),
  },
  settings: {
    eps: { keys: [], read: () => 1e-5 }, // in transformers' code, not in its config
    tied: setting('tie_word_embeddings', true),
    activation: setting('activation_function', 'relu'),
    std: setting('init_std', 0.02),
    biases: setting('enable_bias', true),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'embed_tokens.weight', norm: 'final_layer_norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: (d) => d['head_dim']! ** -0.5,
  },
  frozen: {},
  constraints: [
    {
      axis: 'hidden',
      why: 'each head is hidden / heads wide',
      holds: (d) => d['hidden']! % d['heads']! === 0,
    },
  ],
  // prettier-ignore
  tensors: {
    'embed_tokens.weight':                         lookup('vocab : hidden'),
    'embed_positions.weight':                      lookup('places : hidden'),
    'layers.{layer}.self_attn_layer_norm.weight':  gain('hidden'),
    'layers.{layer}.self_attn_layer_norm.bias':    shift('hidden'),
    'layers.{layer}.self_attn.q_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.q_proj.bias':        bias('(heads head_dim)', 'biases'),
    'layers.{layer}.self_attn.k_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.k_proj.bias':        bias('(heads head_dim)', 'biases'),
    'layers.{layer}.self_attn.v_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.v_proj.bias':        bias('(heads head_dim)', 'biases'),
    'layers.{layer}.self_attn.out_proj.weight':    linear('hidden <- (heads head_dim)'),
    'layers.{layer}.self_attn.out_proj.bias':      bias('hidden', 'biases'),
    'layers.{layer}.final_layer_norm.weight':      gain('hidden'),
    'layers.{layer}.final_layer_norm.bias':        shift('hidden'),
    'layers.{layer}.fc1.weight':                   linear('ffn <- hidden'),
    'layers.{layer}.fc1.bias':                     bias('ffn', 'biases'),
    'layers.{layer}.fc2.weight':                   linear('hidden <- ffn'),
    'layers.{layer}.fc2.bias':                     bias('hidden', 'biases'),
    'final_layer_norm.weight':                     gain('hidden'),
    'final_layer_norm.bias':                       shift('hidden'),
    'lm_head.weight':                              linear('vocab <- hidden'),
  },
  prefixes: ['model.decoder.', 'decoder.'],
  ignoredKeys: [],
  assertSupported(config) {
    const { word_embed_proj_dim: word, hidden_size: hidden } = config;
    if (typeof word === 'number' && typeof hidden === 'number' && hidden > 0 && word !== hidden)
      no(
        'word_embed_proj_dim',
        'a token table narrower than hidden_size is only known with do_layer_norm_before: false',
      );
    refuseBoth(config);
  },
  forward: (m, tokens) =>
    m.norm(layers(m, add(m.embed('embed_tokens', tokens), places(m, tokens)), true), 'final_layer_norm'),
};

/**
 * OPT-350m: the stream is the output of a norm, and two matrices stand between it and the narrower token
 * table.
 */
export const optProjected: ModelFamily = {
  ...opt,
  id: 'opt-projected',
  title: 'OPT (projected)',
  matches: after,
  dims: { embed: size('word_embed_proj_dim'), ...opt.dims, hidden: size('hidden_size') },
  stream: {
    axis: 'hidden',
    norm: 'layer',
    postNorm: { afterAttention: 'layers.{layer}.self_attn_layer_norm', afterMlp: 'layers.{layer}.final_layer_norm' },
  },
  head: { weight: 'lm_head.weight', tiedTo: 'embed_tokens.weight' },
  tensors: {
    ...without(opt.tensors, 'final_layer_norm.weight', 'final_layer_norm.bias'),
    'embed_tokens.weight': lookup('vocab : embed'),
    'project_in.weight': linear('hidden <- embed'),
    'project_out.weight': linear('embed <- hidden'),
    'lm_head.weight': linear('vocab <- embed'),
  },
  assertSupported(config) {
    if ((config['word_embed_proj_dim'] ?? config['hidden_size']) === config['hidden_size'])
      no(
        'do_layer_norm_before: false',
        'norms on the stream are only known where word_embed_proj_dim is narrower than hidden_size',
      );
    refuseBoth(config);
  },
  forward: (m, tokens) =>
    m.linear(
      layers(m, add(m.linear(m.embed('embed_tokens', tokens), 'project_in'), places(m, tokens)), false),
      'project_out',
    ),
};
