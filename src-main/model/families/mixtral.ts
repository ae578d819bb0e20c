/**
 * @file Mixtral: Mistral whose every layer has experts instead of an MLP. Agrees with transformers'
 * modeling_mixtral.py.
 */
import { refuse } from '../../base/errors.ts';
import { linear, setting, without, type ModelFamily } from '../family.ts';
import { refuseRope, ropeSettings } from '../rope.ts';
import { expertCount, fractions, mixtureOf, refuseRouting, said, withExperts } from './experts.ts';
import { gatedDecoder } from './llama.ts';
import { mistral } from './mistral.ts';

const mlp = 'model.layers.{layer}.mlp';
const moe = 'model.layers.{layer}.block_sparse_moe';
const expert = `${moe}.experts.{expert}`;

export const mixtral: ModelFamily = {
  ...mistral,
  id: 'mixtral',
  title: 'Mixtral',
  modelTypes: ['mixtral'],
  architecture: 'MixtralForCausalLM',
  dims: { ...mistral.dims, experts: expertCount('num_local_experts', 8) },
  settings: {
    ...mistral.settings,
    ...ropeSettings({ theta: 1e6 }),
    eps: setting('rms_norm_eps', 1e-5),
    window: { keys: ['sliding_window'], read: (c) => (c['sliding_window'] ?? null) as number | null },
    expertsPerToken: setting('num_experts_per_tok', 2),
    normTopkProb: { keys: [], read: () => true },
    auxLossCoef: setting('router_aux_loss_coef', 0.001),
  },
  frozen: {
    ...mistral.frozen,
    experts: 'a mixture keeps its experts; they are made from a dense model, by the method "upcycle"',
  },
  tensors: withExperts(mistral.tensors, {
    [`${moe}.gate.weight`]: linear('experts <- hidden'),
    [`${expert}.w1.weight`]: linear('ffn <- hidden'),
    [`${expert}.w2.weight`]: linear('hidden <- ffn'),
    [`${expert}.w3.weight`]: linear('ffn <- hidden'),
  }),
  mixture: {
    denseFamilies: ['llama', 'mistral'],
    copiedFrom: {
      [`${expert}.w1.weight`]: `${mlp}.gate_proj.weight`,
      [`${expert}.w2.weight`]: `${mlp}.down_proj.weight`,
      [`${expert}.w3.weight`]: `${mlp}.up_proj.weight`,
    },
    hasNormTopkProb: false,
    config(config, settings) {
      const biased = ['attention_bias', 'mlp_bias'].find((key) => config[key] === true);
      if (biased !== undefined)
        refuse('growth/no-mixture', { family: `a model with ${biased}`, known: ['those without biases'] });
      return {
        ...without(said(config, settings), 'attention_bias', 'mlp_bias'),
        sliding_window: (settings['window'] ?? null) as number | null,
        router_jitter_noise: 0,
        output_router_logits: false,
      };
    },
  },
  floatKeys: fractions,
  assertSupported(config) {
    refuseRope(config);
    refuseRouting(
      config,
      Number(config['num_local_experts'] ?? config['num_experts'] ?? 8),
      Number(config['num_experts_per_tok'] ?? 2),
    );
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, undefined, (_, x, layer) =>
      mixtureOf(m, x, `${layer}.block_sparse_moe`, ['w1', 'w3', 'w2']),
    ),
};
