/** @file The forward pass of Gemma 2 and 3: Llama's layers with a norm before and after each branch. */
import type { Value } from '../../graph/graph.ts';
import { windowOf } from '../attention.ts';
import type { ModelBuilder } from '../builder-types.ts';
import type { ModelFamily } from '../family.ts';
import { add, type NamedValue } from '../named-value.ts';
import { gain, outputGain, withOffset } from '../tensor-specs.ts';
import { gatedMlp } from './gated-decoder.ts';

const layerKey = 'model.layers.{layer}';

/** The norms of a layer other than `input_layernorm`. */
export const sandwichNorms: ModelFamily['tensors'] = withOffset(
  {
    [`${layerKey}.post_attention_layernorm.weight`]: outputGain(
      `${layerKey}.self_attn.o_proj.weight`,
      'hidden',
    ),
    [`${layerKey}.pre_feedforward_layernorm.weight`]: gain('hidden'),
    [`${layerKey}.post_feedforward_layernorm.weight`]: outputGain(
      `${layerKey}.mlp.down_proj.weight`,
      'hidden',
    ),
  },
  1,
);

/**
 * The output of the last norm, [batch, seq, hidden]. `rotate` embeds the positions of queries and keys; `name`
 * is `model.layers.0.self_attn.q` or `….k`.
 */
export function sandwichDecoder(
  m: ModelBuilder,
  tokens: Value,
  rotate: (x: NamedValue, name: string, layer: number) => NamedValue,
): NamedValue {
  const s = m.settings;
  const scale = Number(s['queryPreAttnScalar']) ** -0.5;
  const softcap = typeof s['attnLogitSoftcap'] === 'number' ? s['attnLogitSoftcap'] : undefined;
  let x = m.embed('model.embed_tokens', tokens);
  for (let l = 0; l < m.dims['layers']!; l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const y = m.norm(x, `${layer}.input_layernorm`);
    const q = rotate(m.linear(y, `${attn}.q_proj`), `${attn}.q`, l);
    const k = rotate(m.linear(y, `${attn}.k_proj`), `${attn}.k`, l);
    const v = m.linear(y, `${attn}.v_proj`);
    const attended = m.attention(q, k, v, scale, { window: windowOf(s, l), softcap });
    x = add(x, m.norm(m.linear(attended, `${attn}.o_proj`), `${layer}.post_attention_layernorm`));
    const mlp = gatedMlp(m, m.norm(x, `${layer}.pre_feedforward_layernorm`), `${layer}.mlp`);
    x = add(x, m.norm(mlp, `${layer}.post_feedforward_layernorm`));
  }
  return m.norm(x, 'model.norm');
}
