/** @file Fixtures of cost tests and of the preview in a browser: a device book, CPUs, and an estimate request. */
import type { JsonObject } from '../../src-main/base/json.ts';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import type { DeviceBook } from '../../src-main/cost/book.ts';
import type { EstimateRequest } from '../../src-main/cost/estimate.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import type { Target } from '../../src-main/cost/speed.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';

/** The subject of a config.json. */
export const subjectOf = (config: JsonObject): Subject => {
  const family = familyOf(config);
  return { family: family.id, dims: dimsOf(family, config), settings: settingsOf(family, config) };
};

export const book: DeviceBook = {
  devices: [
    {
      id: 'small',
      name: 'Small Card',
      kind: 'gpu',
      match: [['small', 'card']],
      peaks: { float32: 1e13, bfloat16: 1e14 },
      memory: 4e9,
      bandwidth: 1e12,
      power: 200,
      source: 'a sheet',
    },
    {
      id: 'small-plus',
      name: 'Small Card Plus',
      kind: 'gpu',
      match: [['small', 'card', 'plus']],
      peaks: { float32: 2e13, tf32: 1e14, bfloat16: 2e14 },
      memory: 80e9,
      bandwidth: 2e12,
      power: 400,
      source: 'a sheet',
    },
    {
      id: 'chip',
      name: 'Chip',
      kind: 'cpu',
      match: [['chip']],
      peaks: { float32: 1e11 },
      memory: null,
      bandwidth: null,
      power: 10,
      source: 'a sheet',
    },
  ],
  prices: [
    {
      device: 'small',
      provider: 'A',
      terms: 'on demand',
      hourly: 1,
      source: 'https://a.example/prices',
      date: '2026-11-01',
    },
    {
      device: 'small-plus',
      provider: 'A',
      terms: 'on demand',
      hourly: 4,
      source: 'https://a.example/prices',
      date: '2026-11-01',
    },
    {
      device: 'small-plus',
      provider: 'B',
      terms: 'spot',
      hourly: 1.5,
      source: 'https://b.example/prices',
      date: '2026-10-01',
    },
  ],
};

/** A CPU with facts and measured rates. */
export const measuredCpu: Target = {
  id: 'cpu: Chip × 4',
  name: 'Chip, 4 cores',
  kind: 'cpu',
  here: true,
  cores: 4,
  memory: 8e9,
  facts: book.devices[2]!,
  past: [],
  measured: {
    product: 2e11,
    slack: 10,
    stream: 2e10,
    functions: 2e9,
    nodeSeconds: 5e-6,
    time: '2026-11-20T10:00:00Z',
    threads: 4,
  },
};
/** The same CPU without rates and without facts, so that nothing is known about its speed. */
export const unknownCpu: Target = {
  id: measuredCpu.id,
  name: measuredCpu.name,
  kind: 'cpu',
  here: true,
  cores: 4,
  memory: 8e9,
  past: [],
};
/** The same CPU with facts but without rates. */
export const unmeasuredCpu: Target = { ...unknownCpu, facts: book.devices[2]! };

/** config.json of a small Llama. */
export const llamaConfig = {
  model_type: 'llama',
  vocab_size: 1024,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 32,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
};

/** A request to estimate training the small Llama on the measured CPU. */
export const estimateRequest = (change: Partial<EstimateRequest> = {}): EstimateRequest => ({
  subject: subjectOf(llamaConfig),
  training: { ...trainingDefaults, microBatch: 4, contextLength: 64, tokens: 100_000 },
  targets: [measuredCpu],
  book,
  assumptions: assumptionDefaults,
  ...change,
});
