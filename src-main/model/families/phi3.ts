/**
 * @file Phi-3: Llama's layers with queries, keys and values in one matrix, and gate and up in another. Agrees
 * with transformers' modeling_phi3.py.
 */
import { refuse } from '../../base/errors.ts';
import { activate, windowOf } from '../layers.ts';
import { add, mul, unbind, type NamedValue } from '../named.ts';
import { gain, linear, lookup, optional, setting, without, type ModelFamily } from '../family.ts';
import { refuseRope, ropeSettings } from '../rope.ts';
import { llama } from './llama.ts';

const settings = without(llama.settings, 'attentionBias', 'mlpBias');

export const phi3: ModelFamily = {
  ...llama,
  id: 'phi3',
  title: 'Phi-3',
  modelTypes: ['phi3'],
  architecture: 'Phi3ForCausalLM',
  settings: {
    ...settings,
    eps: setting('rms_norm_eps', 1e-5),
    positions: setting('max_position_embeddings', 4096),
    window: optional('sliding_window', null),
    ...ropeSettings({ shareKey: 'partial_rotary_factor' }),
  },
  parts: { qkv: ['q', 'k', 'v'], gate_up: ['gate', 'up'] },
  scores: { ...llama.scores, between: ['self_attn.qkv_proj/q', 'self_attn.qkv_proj/k'] },
  constraints: [],
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                            lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':          gain('hidden'),
    'model.layers.{layer}.self_attn.qkv_proj.weight':       linear('qkv(kv_heads group head_dim | kv_heads head_dim | kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.o_proj.weight':         linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.post_attention_layernorm.weight': gain('hidden'),
    'model.layers.{layer}.mlp.gate_up_proj.weight':         linear('(gate_up ffn) <- hidden'),
    'model.layers.{layer}.mlp.down_proj.weight':            linear('hidden <- ffn'),
    'model.norm.weight':                                    gain('hidden'),
    'lm_head.weight':                                       linear('vocab <- hidden'),
  },
  assertSupported(config) {
    refuseRope(config);
    for (const key of ['rope_scaling', 'rope_parameters']) {
      const rope = (config[key] ?? {}) as { readonly rope_type?: unknown; readonly type?: unknown };
      const type = rope.rope_type ?? rope.type ?? 'default';
      if (type !== 'default')
        refuse('checkpoint/unsupported', {
          what: `rope type "${JSON.stringify(type)}"`,
          why: 'transformers knows no such rope type in this family, or its frequencies depend on the length of the text',
        });
    }
  },
  forward(m, tokens) {
    const s = m.settings;
    const scale = m.dims['head_dim']! ** -0.5;
    let x = m.embed('model.embed_tokens', tokens);
    for (let l = 0; l < m.dims['layers']!; l++) {
      const at = `model.layers.${l}`;
      const [q, k, v] = m.entries(m.norm(x, `${at}.input_layernorm`), `${at}.self_attn.qkv_proj`) as [
        NamedValue,
        NamedValue,
        NamedValue,
      ];
      x = add(
        x,
        m.linear(
          m.attention(m.rotary(q), m.rotary(k), v, scale, { window: windowOf(s, l) }),
          `${at}.self_attn.o_proj`,
        ),
      );
      const [gate, up] = unbind(
        m.linear(m.norm(x, `${at}.post_attention_layernorm`), `${at}.mlp.gate_up_proj`),
        'gate_up',
      ) as [NamedValue, NamedValue];
      x = add(x, m.linear(mul(activate(gate, String(s['activation'])), up), `${at}.mlp.down_proj`));
    }
    return m.norm(x, 'model.norm');
  },
};
