/**
 * @file Gemma 2: Gemma with norms on both ends of each branch, bounded scores and logits, and a sliding
 * window in every other layer. Agrees with transformers' modeling_gemma2.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Value } from '../../graph/graph.ts';
import { windowOf, type Reader } from '../layers.ts';
import { add, type NamedValue } from '../named.ts';
import { gain, outputGain, optional, setting, withOffset, type ModelFamily, type Settings } from '../family.ts';
import { refuseRope } from '../rope.ts';
import { gemma, refuseBidirectional } from './gemma.ts';
import { gatedMlp, llama } from './llama.ts';

/** The kind of attention of a layer: listed, or by the rule of files that have no list. */
const typeOf = (config: JsonObject, layer: number, pattern: number): string => {
  const list = config['layer_types'];
  return Array.isArray(list)
    ? String(list[layer])
    : (layer + 1) % pattern
      ? 'sliding_attention'
      : 'full_attention';
};

/** The setting `layerTypes` and how it follows its layers, where one layer in `pattern` sees everything. */
export const slidingPattern = (
  pattern: (config: JsonObject) => number,
): {
  readonly setting: ModelFamily['settings'][string];
  readonly perLayer: NonNullable<ModelFamily['remapLayers']>;
} => ({
  setting: {
    keys: ['layer_types'],
    read: (c) =>
      Array.from({ length: Number(c['num_hidden_layers']) }, (_, layer) => typeOf(c, layer, pattern(c))),
  },
  perLayer: (c, sources) => ({ layer_types: sources.map((layer) => typeOf(c, layer, pattern(c))) }),
});
const alternating = slidingPattern(() => 2);

/**
 * Refuses lists of kinds of attention that the forward pass does not know, or of another length than the
 * layers.
 */
export function refuseLayerTypes(config: JsonObject): void {
  const list = config['layer_types'];
  const layers = config['num_hidden_layers'];
  if (!Array.isArray(list)) return;
  const other = list.find((type) => type !== 'sliding_attention' && type !== 'full_attention') as unknown;
  if (other !== undefined)
    refuse('checkpoint/unsupported', {
      what: 'layer_types',
      why: `${JSON.stringify(other)} is not a kind of attention that this family has`,
    });
  if (list.length !== layers)
    refuse('checkpoint/unsupported', {
      what: 'layer_types',
      why: `it lists ${list.length} layers, but there are ${JSON.stringify(layers)}`,
    });
}

export const gemma2: ModelFamily = {
  ...gemma,
  id: 'gemma2',
  title: 'Gemma 2',
  modelTypes: ['gemma2'],
  architecture: 'Gemma2ForCausalLM',
  settings: {
    ...gemma.settings,
    activation: setting('hidden_activation', 'gelu_pytorch_tanh'),
    queryPreAttnScalar: setting('query_pre_attn_scalar', 256),
    attnLogitSoftcap: optional('attn_logit_softcapping', 50),
    finalLogitSoftcap: optional('final_logit_softcapping', 30),
    window: optional('sliding_window', 4096),
    layerTypes: alternating.setting,
  },
  head: { ...gemma.head, softcap: 'finalLogitSoftcap' },
  scores: { ...gemma.scores, scale: () => 1 }, // query_pre_attn_scalar, which no size changes
  constraints: llama.constraints,
  tensors: { ...gemma.tensors, ...sandwich() },
  remapLayers: alternating.perLayer,
  floatKeys: ['attn_logit_softcapping', 'final_logit_softcapping'],
  assertSupported(config) {
    refuseRope(config);
    refuseBidirectional(config);
    refuseLayerTypes(config);
  },
  forward: (m, tokens) => sandwichDecoder(m, tokens, { turn: (x) => m.rotary(x) }),
};

/** The norms of a layer, before and after each of its branches. */
export function sandwich(): ModelFamily['tensors'] {
  const at = 'model.layers.{layer}.';
  return withOffset(
    {
      [`${at}post_attention_layernorm.weight`]: outputGain(`${at}self_attn.o_proj.weight`, 'hidden'),
      [`${at}pre_feedforward_layernorm.weight`]: gain('hidden'),
      [`${at}post_feedforward_layernorm.weight`]: outputGain(`${at}mlp.down_proj.weight`, 'hidden'),
    },
    1,
  );
}

/**
 * The forward pass of Gemma 2 and 3; `turn` prepares queries and keys (`name` ends in q or k) of one layer.
 */
export function sandwichDecoder(
  m: Reader,
  tokens: Value,
  { turn }: { turn: (x: NamedValue, name: string, layer: number, s: Settings) => NamedValue },
): NamedValue {
  const s = m.settings;
  const scale = Number(s['queryPreAttnScalar']) ** -0.5;
  const cap = typeof s['attnLogitSoftcap'] === 'number' ? s['attnLogitSoftcap'] : undefined;
  let x = m.embed('model.embed_tokens', tokens);
  for (let l = 0; l < m.dims['layers']!; l++) {
    const at = `model.layers.${l}`;
    const y = m.norm(x, `${at}.input_layernorm`);
    const [q, k] = ['q', 'k'].map((name) =>
      turn(m.linear(y, `${at}.self_attn.${name}_proj`), `${at}.self_attn.${name}`, l, s),
    ) as [NamedValue, NamedValue];
    const heard = m.attention(q, k, m.linear(y, `${at}.self_attn.v_proj`), scale, {
      window: windowOf(s, l),
      cap,
    });
    x = add(x, m.norm(m.linear(heard, `${at}.self_attn.o_proj`), `${at}.post_attention_layernorm`));
    x = add(
      x,
      m.norm(
        gatedMlp(m, m.norm(x, `${at}.pre_feedforward_layernorm`), `${at}.mlp`),
        `${at}.post_feedforward_layernorm`,
      ),
    );
  }
  return m.norm(x, 'model.norm');
}
