/**
 * @file OLMo 2: branches that read the stream as it is and norm what they write, queries and keys normed over
 * all heads together. Agrees with transformers' modeling_olmo2.py.
 */
import { add, type NamedValue } from '../named.ts';
import { unscaledLinear, bias, gain, outputGain, linear, lookup, setting, without, type ModelFamily } from '../family.ts';
import { refuseRope } from '../rope.ts';
import { gatedMlp, llama } from './llama.ts';

const settings = without(llama.settings, 'mlpBias');
const at = 'model.layers.{layer}.';

export const olmo2: ModelFamily = {
  ...llama,
  id: 'olmo2',
  title: 'OLMo 2',
  modelTypes: ['olmo2'],
  architecture: 'Olmo2ForCausalLM',
  settings: { ...settings, eps: setting('rms_norm_eps', 1e-5) },
  scores: { ...llama.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  constraints: [],
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                lookup('vocab : hidden'),
    [`${at}self_attn.q_proj.weight`]:           unscaledLinear('stream', '(kv_heads group head_dim) <- hidden'),
    [`${at}self_attn.q_proj.bias`]:             bias('(kv_heads group head_dim)', 'attentionBias'),
    [`${at}self_attn.k_proj.weight`]:           unscaledLinear('stream', '(kv_heads head_dim) <- hidden'),
    [`${at}self_attn.k_proj.bias`]:             bias('(kv_heads head_dim)', 'attentionBias'),
    [`${at}self_attn.v_proj.weight`]:           unscaledLinear('stream', '(kv_heads head_dim) <- hidden'),
    [`${at}self_attn.v_proj.bias`]:             bias('(kv_heads head_dim)', 'attentionBias'),
    [`${at}self_attn.o_proj.weight`]:           linear('hidden <- (kv_heads group head_dim)'),
    [`${at}self_attn.o_proj.bias`]:             bias('hidden', 'attentionBias'),
    [`${at}self_attn.q_norm.weight`]:           outputGain(`${at}self_attn.q_proj.weight`, '(kv_heads group head_dim)'),
    [`${at}self_attn.k_norm.weight`]:           outputGain(`${at}self_attn.k_proj.weight`, '(kv_heads head_dim)'),
    [`${at}post_attention_layernorm.weight`]:   outputGain(`${at}self_attn.o_proj.weight`, 'hidden'),
    [`${at}mlp.gate_proj.weight`]:              unscaledLinear('stream', 'ffn <- hidden'),
    [`${at}mlp.up_proj.weight`]:                unscaledLinear('stream', 'ffn <- hidden'),
    [`${at}mlp.down_proj.weight`]:              linear('hidden <- ffn'),
    [`${at}post_feedforward_layernorm.weight`]: outputGain(`${at}mlp.down_proj.weight`, 'hidden'),
    'model.norm.weight':                        gain('hidden'),
    'lm_head.weight':                           linear('vocab <- hidden'),
  },
  assertSupported: refuseRope,
  forward(m, tokens) {
    const scale = m.dims['head_dim']! ** -0.5;
    let x = m.embed('model.embed_tokens', tokens);
    for (let l = 0; l < m.dims['layers']!; l++) {
      const name = `model.layers.${l}`;
      const [q, k] = ['q', 'k'].map((part) =>
        m.rotary(m.norm(m.linear(x, `${name}.self_attn.${part}_proj`), `${name}.self_attn.${part}_norm`)),
      ) as [NamedValue, NamedValue];
      const heard = m.attention(q, k, m.linear(x, `${name}.self_attn.v_proj`), scale);
      x = add(x, m.norm(m.linear(heard, `${name}.self_attn.o_proj`), `${name}.post_attention_layernorm`));
      x = add(x, m.norm(gatedMlp(m, x, `${name}.mlp`), `${name}.post_feedforward_layernorm`));
    }
    return m.norm(x, 'model.norm');
  },
};
