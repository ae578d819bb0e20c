/** @file The forward pass of Gemma 2 and 3: Llama's layers with a norm before and after each branch. */
import type { Value } from '../../graph/graph.ts';
import type { ModelBuilder } from '../builder-types.ts';
import type { ModelFamily } from '../family.ts';
import type { NamedValue } from '../named-value.ts';
import { gain, outputGain, withOffset } from '../tensor-specs.ts';
import { gatedDecoder, type Rotate } from './gated-decoder.ts';

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
export const sandwichDecoder = (m: ModelBuilder, tokens: Value, rotate: Rotate): NamedValue =>
  gatedDecoder(m, tokens, {
    norms: {
      beforeAttention: 'input_layernorm',
      afterAttention: 'post_attention_layernorm',
      beforeMlp: 'pre_feedforward_layernorm',
      afterMlp: 'post_feedforward_layernorm',
    },
    rotate,
    scale: Number(m.settings['queryPreAttnScalar']) ** -0.5,
  });
