/** @file Checkpoints, a certificate and devices of the fake service. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import type { Certificate, CheckpointSummary, Device } from '../../../src-main/contract/schema.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { countByGroup, countParameters, parametersOf } from '../../../src-main/model/parameters.ts';

export const storiesConfig: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 5,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 8,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};
export const gpt2Config: JsonObject = {
  model_type: 'gpt2',
  vocab_size: 50_257,
  n_positions: 1024,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_inner: null,
};
/** As large as Llama 2 7B. */
export const sevenBillionConfig: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
};
const grownStoriesConfig: JsonObject = {
  ...storiesConfig,
  hidden_size: 128,
  intermediate_size: 344,
  num_key_value_heads: 8,
  num_attention_heads: 16,
};

/** The summary of a checkpoint with this config.json. */
export function createSummary(
  config: JsonObject,
  dir: string,
  more: Partial<CheckpointSummary> = {},
): CheckpointSummary {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = countParameters(family, dims, settings);
  return {
    dir,
    name: dir.split('/').pop()!,
    family: family.id,
    familyTitle: family.title,
    dims,
    settings,
    config,
    dtypes: ['float32'],
    parameters,
    groups: countByGroup(family, dims, settings),
    bytes: 4 * parameters,
    shards: 1,
    tied: settings['tied'] === true,
    tokenizer: { kind: 'BPE', size: dims['vocab']! },
    tensors: parametersOf(family, dims, settings).map(({ name, shape }) => ({
      name,
      dtype: 'float32',
      shape,
    })),
    ...more,
  };
}

export const certificate: Certificate = {
  version: 2,
  tokens: 2048,
  nonFinite: 0,
  maxLogit: 2.1e-5,
  rmsLogit: 6.31,
  kl: 3.4e-12,
  lossSource: 1.28731,
  lossGrown: 1.28731,
  agreement: 1,
  newTokenShare: 0,
  promise: 'function-preserving',
  verdict: 'passed',
  tolerance: 1e-4,
  vocab: { source: 512, grown: 512 },
  softmax: 'all-tokens',
  contextLength: 128,
  device: 'cpu',
  text: '226 tokens of built-in text, continued by 32 that the source samples',
  histogram: {
    edges: [1e-7, 1e-6, 1e-5, 1e-4, 1e-3],
    counts: [210_400, 698_112, 139_900, 164, 0, 0],
  },
  byPosition: {
    width: 4,
    source: Array.from({ length: 32 }, (_, i) => 1.1 + 3 / (i + 2)),
    grown: Array.from({ length: 32 }, (_, i) => 1.1 + 3 / (i + 2)),
  },
  worst: [
    {
      token: 612,
      position: 100,
      context: 'Once upon a time, there was a little girl named',
      next: ' Lily',
      topSource: ' Lily',
      topGrown: ' Lily',
      maxLogit: 2.1e-5,
      kl: 4.1e-11,
      lossSource: 0.41,
      lossGrown: 0.41,
    },
    {
      token: 88,
      position: 88,
      context: 'The dog ran to the',
      next: ' park',
      topSource: ' big',
      topGrown: ' park',
      maxLogit: 1.7e-5,
      kl: 3.3e-11,
      lossSource: 1.93,
      lossGrown: 1.93,
    },
  ],
};

export const devices: readonly Device[] = [
  { id: 'cpu', name: 'Processor (2 cores)', available: true, memory: 16e9, free: 11.2e9 },
  { id: 'webgpu', name: 'WebGPU: SwiftShader', available: true, software: true, memory: null, free: null },
  {
    id: 'cuda',
    name: 'NVIDIA GPU',
    available: false,
    why: 'No NVIDIA driver was found. Install it, then run cambium gpu install.',
    memory: null,
    free: null,
  },
];

export const demoDir = '/opt/cambium/resources/seedling';
export const grownDir = '/home/me/.cambium/checkpoints/stories-grown';

/** The checkpoints of the fake service by folder. */
export function createCheckpoints(): Map<string, CheckpointSummary> {
  const grownFrom = { source: '/data/stories260K', method: 'hypercloning', certificate };
  const summaries = [
    createSummary(storiesConfig, demoDir, { name: 'Seedling' }),
    createSummary(storiesConfig, '/data/stories260K'),
    createSummary(gpt2Config, '/data/gpt2', { shards: 3 }),
    createSummary(sevenBillionConfig, '/data/seven-billion', { shards: 2 }),
    createSummary(grownStoriesConfig, grownDir, { grownFrom }),
  ];
  return new Map(summaries.map((summary) => [summary.dir, summary]));
}
