/** @file Mixtral: Mistral with experts in place of every MLP. Must agree with modeling_mixtral.py. */
import { refuse } from '../../base/errors.ts';
import { optional, setting, size } from '../config-fields.ts';
import type { ModelFamily, Upcycling } from '../family.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { linear, without } from '../tensor-specs.ts';
import * as moe from './experts.ts';
import { gatedDecoder } from './gated-decoder.ts';
import { mistral } from './mistral.ts';

const mlp = 'model.layers.{layer}.mlp';
const block = 'model.layers.{layer}.block_sparse_moe';
const expert = `${block}.experts.{expert}`;

const rope: RopeSpec = { theta: 1e6, positions: 131_072 };

const upcycling: Upcycling = {
  denseFamilies: ['llama', 'mistral'],
  copiedFrom: {
    [`${expert}.w1.weight`]: `${mlp}.gate_proj.weight`,
    [`${expert}.w2.weight`]: `${mlp}.down_proj.weight`,
    [`${expert}.w3.weight`]: `${mlp}.up_proj.weight`,
  },
  config(config, settings) {
    const biased = ['attention_bias', 'mlp_bias'].find((key) => config[key] === true);
    if (biased !== undefined)
      refuse('growth/no-mixture', { family: `a model with ${biased}`, known: ['models without biases'] });
    return {
      ...without(moe.withExplicitDefaults(config, settings), 'attention_bias', 'mlp_bias'),
      sliding_window: (settings['window'] ?? null) as number | null,
      router_jitter_noise: 0,
      output_router_logits: false,
    };
  },
};

export const mixtral: ModelFamily = {
  ...mistral,
  id: 'mixtral',
  title: 'Mixtral',
  modelTypes: ['mixtral'],
  architecture: 'MixtralForCausalLM',
  attributeMap: { num_experts: 'num_local_experts' },
  dims: { ...mistral.dims, experts: size('num_local_experts', { default: 8 }) },
  settings: {
    ...mistral.settings,
    ...ropeSettings(rope),
    eps: setting('rms_norm_eps', 1e-5),
    window: optional('sliding_window', null),
    expertsPerToken: setting('num_experts_per_tok', 2),
    normTopkProb: { keys: [], read: () => true },
    auxLossCoef: setting('router_aux_loss_coef', 0.001),
  },
  frozen: { ...mistral.frozen, experts: moe.frozenExperts },
  tensors: moe.withExperts(mistral.tensors, {
    [`${block}.gate.weight`]: linear('experts <- hidden'),
    [`${expert}.w1.weight`]: linear('ffn <- hidden'),
    [`${expert}.w2.weight`]: linear('hidden <- ffn'),
    [`${expert}.w3.weight`]: linear('ffn <- hidden'),
  }),
  otherNames: { '.mlp.': '.block_sparse_moe.' },
  mixture: { hasNormTopkProb: false, upcycling },
  floatKeys: moe.floatKeys,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    moe.assertRoutingSupported(config, mixtral);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      feedForward: (x, layer) =>
        moe.mixtureOfExperts(m, x, `${layer}.block_sparse_moe`, { gate: 'w1', up: 'w3', down: 'w2' }),
    }),
};
