/**
 * @file Llama: RMS norms, rotary positions, grouped-query attention, gated MLP. Agrees with transformers'
 * modeling_llama.py.
 */
import type { Value } from '../../graph/graph.ts';
import { activate, windowOf, type Reader } from '../layers.ts';
import { add, mul, type NamedValue } from '../named.ts';
import { bias, gain, linear, lookup, setting, size, type ModelFamily, type SizeField } from '../family.ts';
import { refuseRope, ropeSettings } from '../rope.ts';

/**
 * Grouped-query heads. Where config.json does not say how many keys and values there are, `otherwise` is, or
 * as many as query heads.
 */
export const sharedHeads = (otherwise?: number): Readonly<Record<'kv_heads' | 'group', SizeField>> => ({
  kv_heads: {
    keys: ['num_key_value_heads'],
    read: (c) =>
      (c['num_key_value_heads'] === undefined ? otherwise : c['num_key_value_heads']) ??
      c['num_attention_heads'],
    write: (d) => ({ num_key_value_heads: d['kv_heads']! }),
  },
  group: {
    keys: ['num_attention_heads'],
    read: (c, d) =>
      typeof c['num_attention_heads'] === 'number' ? c['num_attention_heads'] / d['kv_heads']! : undefined,
    write: (d) => ({ num_attention_heads: d['kv_heads']! * d['group']! }),
  },
});

export const llama: ModelFamily = {
  id: 'llama',
  title: 'Llama',
  modelTypes: ['llama'],
  architecture: 'LlamaForCausalLM',
  gguf: true,
  dims: {
    vocab: size('vocab_size'),
    hidden: size('hidden_size'),
    ...sharedHeads(),
    head_dim: size('head_dim', (d) => d.hidden! / (d.kv_heads! * d.group!)),
    ffn: size('intermediate_size'),
    layers: size('num_hidden_layers'),
  },
  settings: {
    eps: setting('rms_norm_eps', 1e-6),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'silu'),
    std: setting('initializer_range', 0.02),
    attentionBias: setting('attention_bias', false),
    mlpBias: setting('mlp_bias', false),
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings(),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'rms' },
  head: { weight: 'lm_head.weight', tiedTo: 'model.embed_tokens.weight', norm: 'model.norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: (d) => d.head_dim! ** -0.5,
  },
  frozen: { head_dim: 'its entries are rotary frequencies' },
  constraints: [
    {
      axis: 'hidden',
      why: 'transformers wants hidden to be a multiple of the number of query heads',
      holds: (d) => d.hidden! % (d.kv_heads! * d.group!) === 0,
    },
  ],
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                              lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':            gain('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight':           linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':             bias('(kv_heads group head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.k_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':             bias('(kv_heads head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.v_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':             bias('(kv_heads head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.o_proj.weight':           linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.self_attn.o_proj.bias':             bias('hidden', 'attentionBias'),
    'model.layers.{layer}.post_attention_layernorm.weight':   gain('hidden'),
    'model.layers.{layer}.mlp.gate_proj.weight':              linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.gate_proj.bias':                bias('ffn', 'mlpBias'),
    'model.layers.{layer}.mlp.up_proj.weight':                linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.up_proj.bias':                  bias('ffn', 'mlpBias'),
    'model.layers.{layer}.mlp.down_proj.weight':              linear('hidden <- ffn'),
    'model.layers.{layer}.mlp.down_proj.bias':                bias('hidden', 'mlpBias'),
    'model.norm.weight':                                      gain('hidden'),
    'lm_head.weight':                                         linear('vocab <- hidden'),
  },
  prefixes: [],
  ignoredKeys: [/^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/],
  assertSupported: refuseRope,
  forward: (m, tokens) => gatedDecoder(m, tokens),
};

/** What a layer does beside attention: what it reads, and the layer's name. */
export type Feed = (m: Reader, x: NamedValue, layer: string) => NamedValue;

/**
 * The forward pass that Llama's kin share; `ready` is done to queries and keys (`name` ends in q or k) before
 * they are turned, `feed` stands where others have their MLP.
 */
export function gatedDecoder(
  m: Reader,
  tokens: Value,
  ready: (x: NamedValue, name: string) => NamedValue = (x) => x,
  feed: Feed = (_, x, layer) => gatedMlp(m, x, `${layer}.mlp`),
): NamedValue {
  const s = m.settings;
  const scale = m.dims['head_dim']! ** -0.5;
  let x = m.embed('model.embed_tokens', tokens);
  for (let l = 0; l < m.dims['layers']!; l++) {
    const at = `model.layers.${l}`;
    const y = m.norm(x, `${at}.input_layernorm`);
    const [q, k] = ['q', 'k'].map((name) =>
      m.rotary(ready(m.linear(y, `${at}.self_attn.${name}_proj`), `${at}.self_attn.${name}`)),
    ) as [NamedValue, NamedValue];
    x = add(
      x,
      m.linear(
        m.attention(q, k, m.linear(y, `${at}.self_attn.v_proj`), scale, { window: windowOf(s, l) }),
        `${at}.self_attn.o_proj`,
      ),
    );
    x = add(x, feed(m, m.norm(x, `${at}.post_attention_layernorm`), at));
  }
  return m.norm(x, 'model.norm');
}

/** down(act(gate x) × up x). */
export const gatedMlp = (
  m: Reader,
  x: NamedValue,
  at: string,
  [gate, up, down]: MlpNames = ['gate_proj', 'up_proj', 'down_proj'],
): NamedValue =>
  m.linear(
    mul(activate(m.linear(x, `${at}.${gate}`), String(m.settings['activation'])), m.linear(x, `${at}.${up}`)),
    `${at}.${down}`,
  );

/** What gate, up and down are called. */
export type MlpNames = readonly [string, string, string];

/** Llama's table with biases on these linears alone, always. */
export const withBiases = (on: RegExp): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(llama.tensors).flatMap(([name, line]) =>
      line.kind !== 'bias' ? [[name, line]] : on.test(name) ? [[name, bias(line.layout.text)]] : [],
    ),
  );
