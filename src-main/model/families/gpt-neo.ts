/**
 * @file GPT-Neo: learned positions, a local window in every other layer, and scores that are not scaled. Must agree
 * with transformers' modeling_gpt_neo.py.
 */
import type { JsonObject } from '../../base/json.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { fullAttention, slidingAttention } from '../layer-type-names.ts';
import { add } from '../named-value.ts';
import { plainRelease } from '../releases.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, plainMlp } from './gated-decoder.ts';
import { assertOnePerLayer } from './layer-types.ts';

type Pattern = readonly (readonly [types: readonly string[], times: number])[];

/** `attention_layers` lists one type per layer; `attention_types` lists patterns and how often each is repeated. */
function attentionLayers(config: JsonObject): readonly string[] {
  const list = config['attention_layers'];
  if (Array.isArray(list)) return list.map(String);
  const patterns = (config['attention_types'] ?? [[['global', 'local'], 12]]) as unknown as Pattern;
  return patterns.flatMap(([types, times]) => Array.from({ length: times }, () => types).flat());
}

export const gptNeo: ModelFamily = {
  id: 'gpt_neo',
  title: 'GPT-Neo',
  releases: [
    plainRelease('GPT-Neo 125M', [768, 12, 12]),
    plainRelease('GPT-Neo 1.3B', [2048, 24, 16]),
    plainRelease('GPT-Neo 2.7B', [2560, 32, 20]),
  ],
  modelTypes: ['gpt_neo'],
  architecture: 'GPTNeoForCausalLM',
  attributeMap: { num_attention_heads: 'num_heads', num_hidden_layers: 'num_layers' },
  dims: {
    vocab: size('vocab_size', { default: 50_257 }),
    positions: size('max_position_embeddings', { default: 2048 }),
    hidden: size('hidden_size', { default: 2048 }),
    heads: size('num_heads', { default: 16 }),
    ffn: size('intermediate_size', { fallback: ({ hidden }) => 4 * hidden! }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('num_layers', { default: 24 }),
  },
  settings: {
    eps: setting('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    activation: setting('activation_function', 'gelu_new'),
    std: setting('initializer_range', 0.02),
    window: setting('window_size', 256),
    layerTypes: {
      keys: ['attention_types', 'attention_layers'],
      read: (config) =>
        attentionLayers(config).map((type) => (type === 'local' ? slidingAttention : fullAttention)),
    },
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'wte.weight', norm: 'ln_f' },
  scores: { over: 'head_dim', between: ['attn.attention.q_proj', 'attn.attention.k_proj'], scale: () => 1 },
  frozen: {},
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'wte.weight':                               lookup('vocab : hidden'),
    'wpe.weight':                               lookup('positions : hidden'),
    'h.{layer}.ln_1.weight':                    gain('hidden'),
    'h.{layer}.ln_1.bias':                      shift('hidden'),
    'h.{layer}.attn.attention.q_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.attention.k_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.attention.v_proj.weight':   linear('(heads head_dim) <- hidden'),
    'h.{layer}.attn.attention.out_proj.weight': linear('hidden <- (heads head_dim)'),
    'h.{layer}.attn.attention.out_proj.bias':   bias('hidden'),
    'h.{layer}.ln_2.weight':                    gain('hidden'),
    'h.{layer}.ln_2.bias':                      shift('hidden'),
    'h.{layer}.mlp.c_fc.weight':                linear('ffn <- hidden'),
    'h.{layer}.mlp.c_fc.bias':                  bias('ffn'),
    'h.{layer}.mlp.c_proj.weight':              linear('hidden <- ffn'),
    'h.{layer}.mlp.c_proj.bias':                bias('hidden'),
    'ln_f.weight':                              gain('hidden'),
    'ln_f.bias':                                shift('hidden'),
    'lm_head.weight':                           linear('vocab <- hidden'),
  },
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  remapLayers(config, sources) {
    const types = attentionLayers(config);
    const list = sources.map((source) => types[source]!);
    return { attention_types: [[list, 1]], attention_layers: list };
  },
  assertSupported(config) {
    const layers = {
      num_hidden_layers: config['num_layers'] ?? 24,
      attention_types: attentionLayers(config),
    };
    assertOnePerLayer(layers, 'attention_types');
  },
  forward: (m, tokens) =>
    gatedDecoder(
      m,
      tokens,
      {
        names: { layers: 'h', attention: 'attn.attention', output: 'out_proj', lastNorm: 'ln_f' },
        norms: { beforeAttention: 'ln_1', beforeMlp: 'ln_2' },
        rotate: (x) => x,
        scale: 1,
        feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'c_fc', down: 'c_proj' }),
      },
      add(m.embed('wte', tokens), m.positionRows('wpe', tokens)),
    ),
};
