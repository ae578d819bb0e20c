/**
 * @file The architectures of llama.cpp, by the id of the family. Facts of src/models/*.cpp and of the converter in
 * conversion/*.py (llama.cpp v0.5.0); `npm run test:gguf` compares each with llama.cpp itself.
 */
import type { ModelFamily } from '../family.ts';
import type { GgufArchitecture } from '../gguf/architecture.ts';
import {
  block,
  falconModules,
  fusedGateModules,
  geluActivations,
  headNorms,
  layer,
  llamaModules,
  plainBiases,
  queryBiases,
  qwenExperts,
  withoutHead,
} from './gguf-modules.ts';

const llama: GgufArchitecture = {
  name: 'llama',
  modules: llamaModules,
  biases: [
    ...queryBiases,
    ...['attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map((name) => `${block}.${name}`),
  ],
  rotatesNeighbours: true,
  activations: ['silu'],
  ropeTypes: ['default', 'linear', 'llama3'],
  window: 'none',
};

const gpt2: GgufArchitecture = {
  name: 'gpt2',
  modules: {
    wte: 'token_embd',
    wpe: 'position_embd',
    'h.{layer}.ln_1': `${block}.attn_norm`,
    'h.{layer}.attn.c_attn': `${block}.attn_qkv`,
    'h.{layer}.attn.c_proj': `${block}.attn_output`,
    'h.{layer}.ln_2': `${block}.ffn_norm`,
    'h.{layer}.mlp.c_fc': `${block}.ffn_up`,
    'h.{layer}.mlp.c_proj': `${block}.ffn_down`,
    ln_f: 'output_norm',
    lm_head: 'output',
  },
  biases: ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'].map((name) => `${block}.${name}`),
  ...geluActivations,
  window: 'none',
};

const qwen2: GgufArchitecture = {
  name: 'qwen2',
  modules: llamaModules,
  biases: queryBiases,
  activations: ['silu'],
  window: 'none',
};

const qwen3: GgufArchitecture = {
  ...qwen2,
  name: 'qwen3',
  modules: { ...llamaModules, ...headNorms },
};

const gemma: GgufArchitecture = {
  name: 'gemma',
  modules: withoutHead,
  activations: ['gelu_pytorch_tanh', 'gelu_new'],
  window: 'none',
};

/** Gemma 2 and 3 have norms at both ends of a branch. */
const gemma2: GgufArchitecture = {
  ...gemma,
  name: 'gemma2',
  modules: {
    ...withoutHead,
    [`${layer}.post_attention_layernorm`]: `${block}.post_attention_norm`,
    [`${layer}.pre_feedforward_layernorm`]: `${block}.ffn_norm`,
    [`${layer}.post_feedforward_layernorm`]: `${block}.post_ffw_norm`,
  },
  window: 'period',
  // llama.cpp knows the 27B model by its number of layers.
  attentionScale: ({ layers, hidden, kv_heads, group, head_dim }) =>
    (layers === 46 ? Math.floor(hidden! / (kv_heads! * group!)) : head_dim!) ** -0.5,
  scaledModule: `${block}.attn_q`,
  softcaps: ['attnLogitSoftcap', 'finalLogitSoftcap'],
};

const gemma3: GgufArchitecture = {
  ...gemma2,
  name: 'gemma3',
  modules: { ...gemma2.modules, ...headNorms },
  attentionScale: ({ layers, hidden, kv_heads, group, head_dim }) =>
    (layers === 62 ? Math.floor(hidden! / (kv_heads! * group!)) : head_dim!) ** -0.5,
  scaledModule: `${block}.attn_q_norm`,
  softcaps: [],
};

const olmo2: GgufArchitecture = {
  name: 'olmo2',
  modules: {
    ...llamaModules,
    ...headNorms,
    [`${layer}.post_attention_layernorm`]: `${block}.post_attention_norm`,
    [`${layer}.post_feedforward_layernorm`]: `${block}.post_ffw_norm`,
  },
  activations: ['silu'],
  needsHead: true,
  needsSquareAttention: true,
  window: 'none',
};

const expert = `${layer}.block_sparse_moe.experts.{expert}`;

const architectures: Readonly<Record<string, GgufArchitecture>> = {
  llama,
  mistral: llama,
  mixtral: {
    ...llama,
    modules: {
      ...llamaModules,
      [`${layer}.block_sparse_moe.gate`]: `${block}.ffn_gate_inp`,
      [`${expert}.w1`]: `${block}.ffn_gate_exps`,
      [`${expert}.w2`]: `${block}.ffn_down_exps`,
      [`${expert}.w3`]: `${block}.ffn_up_exps`,
    },
    normTopkProb: true,
  },
  // Its MLP has no gate.
  arcee: { ...llama, name: 'arcee', biases: queryBiases, activations: ['relu2'] },
  granite: {
    ...llama,
    name: 'granite',
    multipliers: {
      embedding_scale: 'embeddingMultiplier',
      residual_scale: 'residualMultiplier',
      'attention.scale': 'attentionMultiplier',
      logit_scale: 'logitScale',
    },
  },
  smollm3: { ...llama, name: 'smollm3', ropeTypes: ['default', 'linear'], unrotatedPeriod: 4 },
  // transformers rotates neighbouring entries of these two as llama.cpp does.
  ernie4_5: {
    ...llama,
    name: 'ernie4_5',
    biases: [...queryBiases, `${block}.attn_output`],
    rotatesNeighbours: false,
    ropeTypes: ['default', 'linear'],
  },
  cohere: {
    name: 'command-r',
    modules: withoutHead,
    biases: queryBiases,
    activations: ['silu'],
    multipliers: { logit_scale: 'logitScale' },
    window: 'none',
  },
  // Layers without a window have no positions.
  cohere2: {
    name: 'cohere2',
    modules: withoutHead,
    activations: ['silu'],
    ropeTypes: ['default'],
    multipliers: { logit_scale: 'logitScale' },
    needsSquareAttention: true,
    window: 'period',
    needsPeriod: 4,
  },
  glm: {
    name: 'chatglm',
    modules: fusedGateModules,
    biases: queryBiases,
    activations: ['silu'],
    needsSquareAttention: true,
    window: 'none',
  },
  glm4: {
    name: 'glm4',
    modules: {
      ...fusedGateModules,
      [`${layer}.post_self_attn_layernorm`]: `${block}.post_attention_norm`,
      [`${layer}.post_mlp_layernorm`]: `${block}.post_ffw_norm`,
    },
    biases: queryBiases,
    activations: ['silu'],
    window: 'none',
  },
  hunyuan_v1_dense: {
    name: 'hunyuan-dense',
    modules: {
      ...llamaModules,
      [`${layer}.self_attn.query_layernorm`]: `${block}.attn_q_norm`,
      [`${layer}.self_attn.key_layernorm`]: `${block}.attn_k_norm`,
    },
    activations: ['silu'],
    ropeTypes: ['default', 'linear', 'ntk-alpha'],
    window: 'none',
  },
  ministral: llama,
  seed_oss: {
    ...qwen2,
    name: 'seed_oss',
    modules: { ...llamaModules, [`${layer}.post_attention_layernorm`]: `${block}.post_attention_norm` },
  },
  starcoder2: {
    name: 'starcoder2',
    modules: {
      ...llamaModules,
      [`${layer}.mlp.c_fc`]: `${block}.ffn_up`,
      [`${layer}.mlp.c_proj`]: `${block}.ffn_down`,
    },
    biases: plainBiases,
    needsBiases: true,
    ...geluActivations,
    window: 'none',
  },
  nemotron: {
    name: 'nemotron',
    modules: llamaModules,
    biases: plainBiases,
    activations: ['relu2'],
    needsHead: true,
    needsSquareAttention: true,
    window: 'none',
  },
  phi: {
    name: 'phi2',
    modules: {
      ...llamaModules,
      [`${layer}.self_attn.dense`]: `${block}.attn_output`,
      [`${layer}.mlp.fc1`]: `${block}.ffn_up`,
      [`${layer}.mlp.fc2`]: `${block}.ffn_down`,
      'model.final_layernorm': 'output_norm',
    },
    biases: [...plainBiases, 'output'],
    ...geluActivations,
    needsHead: true,
    needsSquareAttention: true,
    window: 'none',
  },
  qwen2,
  qwen3,
  'qwen2-moe': {
    ...qwen2,
    name: 'qwen2moe',
    modules: {
      ...llamaModules,
      ...qwenExperts,
      [`${layer}.mlp.shared_expert.gate_proj`]: `${block}.ffn_gate_shexp`,
      [`${layer}.mlp.shared_expert.up_proj`]: `${block}.ffn_up_shexp`,
      [`${layer}.mlp.shared_expert.down_proj`]: `${block}.ffn_down_shexp`,
      [`${layer}.mlp.shared_expert_gate`]: `${block}.ffn_gate_inp_shexp`,
    },
    needsHead: true,
    needsSquareAttention: true,
    normTopkProb: false,
  },
  'qwen3-moe': {
    ...qwen3,
    name: 'qwen3moe',
    modules: { ...qwen3.modules, ...qwenExperts },
    normTopkProb: true,
  },
  olmoe: {
    ...qwen2,
    name: 'olmoe',
    modules: { ...llamaModules, ...headNorms, ...qwenExperts },
    biases: [],
    needsHead: true,
    needsSquareAttention: true,
    needsKeyPerQuery: true,
    normTopkProb: false,
  },
  gemma,
  gemma2,
  gemma3_text: gemma3,
  stablelm: {
    name: 'stablelm',
    modules: llamaModules,
    biases: queryBiases,
    activations: ['silu'],
    needsHead: true,
    needsSquareAttention: true,
    window: 'none',
  },
  olmo: {
    name: 'olmo',
    modules: llamaModules,
    rotatesNeighbours: true,
    activations: ['silu'],
    needsSquareAttention: true,
    window: 'none',
  },
  olmo2,
  // It rotates layers with a window by the base of the others.
  olmo3: {
    ...olmo2,
    ropeTypes: ['default'],
    hasOneRopeBase: true,
    window: 'period',
  },
  // It knows windows only of the model with 64 layers.
  exaone4: {
    name: 'exaone4',
    modules: { ...olmo2.modules, ...headNorms },
    activations: ['silu'],
    ropeTypes: ['default', 'linear', 'llama3'],
    window: 'none',
    needsNoWindow: true,
  },
  phi3: {
    name: 'phi3',
    modules: {
      ...llamaModules,
      [`${layer}.self_attn.qkv_proj`]: `${block}.attn_qkv`,
      [`${layer}.mlp.gate_up_proj`]: `${block}.ffn_up`,
    },
    activations: ['silu'],
    needsSquareAttention: true,
    window: 'none',
  },
  gpt2,
  gpt_bigcode: { ...gpt2, name: 'starcoder' },
  gpt_neox: {
    name: 'gptneox',
    modules: {
      embed_in: 'token_embd',
      'layers.{layer}.input_layernorm': `${block}.attn_norm`,
      'layers.{layer}.attention.query_key_value': `${block}.attn_qkv`,
      'layers.{layer}.attention.dense': `${block}.attn_output`,
      'layers.{layer}.post_attention_layernorm': `${block}.ffn_norm`,
      'layers.{layer}.mlp.dense_h_to_4h': `${block}.ffn_up`,
      'layers.{layer}.mlp.dense_4h_to_h': `${block}.ffn_down`,
      final_layer_norm: 'output_norm',
      embed_out: 'output',
    },
    biases: ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'].map((name) => `${block}.${name}`),
    outputAxes: { [`${block}.attn_qkv`]: ['qkv', 'heads', 'head_dim'] },
    needsBiases: true,
    ...geluActivations,
    needsHead: true,
    window: 'none',
  },
  bloom: {
    name: 'bloom',
    modules: {
      word_embeddings: 'token_embd',
      word_embeddings_layernorm: 'token_embd_norm',
      ...falconModules,
      'h.{layer}.post_attention_layernorm': `${block}.ffn_norm`,
    },
    biases: ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'].map((name) => `${block}.${name}`),
    outputAxes: { [`${block}.attn_qkv`]: ['qkv', 'heads', 'head_dim'] },
    ...geluActivations,
    window: 'none',
  },
  // It has no second norm and no biases.
  falcon: {
    name: 'falcon',
    modules: { word_embeddings: 'token_embd', ...falconModules },
    ...geluActivations,
    window: 'none',
  },
  mpt: {
    name: 'mpt',
    modules: {
      wte: 'token_embd',
      'blocks.{layer}.norm_1': `${block}.attn_norm`,
      'blocks.{layer}.attn.Wqkv': `${block}.attn_qkv`,
      'blocks.{layer}.attn.out_proj': `${block}.attn_output`,
      'blocks.{layer}.norm_2': `${block}.ffn_norm`,
      'blocks.{layer}.ffn.up_proj': `${block}.ffn_up`,
      'blocks.{layer}.ffn.down_proj': `${block}.ffn_down`,
      norm_f: 'output_norm',
      lm_head: 'output',
    },
    ...geluActivations,
    constants: { 'attention.max_alibi_bias': 8 },
    window: 'none',
  },
};

/** The architecture of a family; undefined if Cambium cannot write its GGUF file. */
export const ggufArchitectureOf = ({ id }: Pick<ModelFamily, 'id'>): GgufArchitecture | undefined =>
  Object.hasOwn(architectures, id) ? architectures[id] : undefined;
