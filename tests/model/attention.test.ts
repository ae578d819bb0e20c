/**
 * @file Attention computes long sequences in blocks: with sliding windows shorter than, equal to and longer than a
 * block, and with biases of keys, logits are those of the float64 reference.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { deriveKey, integerAt, normalAt } from '../../src-main/base/random.ts';
import { windowOf } from '../../src-main/model/attention.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf, type Parameter } from '../../src-main/model/parameters.ts';
import { countElements } from '../../src-main/tensor/layout.ts';
import { logitsProgram } from '../../src-main/train/step.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { referenceLogits } from '../support/reference.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { bucketState } from './golden-model.ts';

const sequence = 150;
const vocab = 11;
const config: JsonObject = {
  model_type: 'mistral',
  vocab_size: vocab,
  hidden_size: 8,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  intermediate_size: 6,
  num_hidden_layers: 2,
  rms_norm_eps: 0.01,
  tie_word_embeddings: true,
  max_position_embeddings: 256,
};

/** Random values that are exact in float32; gains are around 1. */
function randomValues({ name, shape, spec }: Parameter): Float64Array {
  const key = deriveKey(3, name);
  const mean = spec.kind === 'gain' ? 1 : 0;
  return Float64Array.from({ length: countElements(shape) }, (_, i) =>
    Math.fround(mean + 0.5 * normalAt(key, i)),
  );
}

/** The largest difference between the graph's logits and the reference's. */
async function worstLogitError(slidingWindow: number | null, changes: JsonObject = {}): Promise<number> {
  const changed: JsonObject = { ...config, sliding_window: slidingWindow, ...changes };
  const family = familyOf(changed);
  const dims = dimsOf(family, changed);
  const settings = settingsOf(family, changed);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 1000 });
  const weights = new Map(parameters.map((parameter) => [parameter.name, randomValues(parameter)]));
  const tokens = Array.from({ length: sequence }, (_, i) => integerAt(deriveKey(5, 'tokens'), i, vocab));
  const run = await createGraphRunner(
    logitsProgram({ family, dims, settings, buckets }, { microBatch: 1, contextLength: sequence }),
  );
  const { logits } = await run({ ...bucketState(buckets, weights), tokens: Int32Array.from(tokens) });
  return referenceLogits(changed, weights, tokens).reduce(
    (worst, x, i) => Math.max(worst, Math.abs(x - logits![i]!)),
    0,
  );
}

describe('attention with a sliding window', () => {
  it.each([1, 2, 63, 64, 65, 149, 150, 151, null])(
    'of %s positions agrees with the reference',
    async (window) => {
      expect(await worstLogitError(window)).toBeLessThan(1e-4);
    },
  );

  it('in some layers only agrees with the reference', async () => {
    const changes = { model_type: 'qwen2', use_sliding_window: true, max_window_layers: 1 };
    expect(await worstLogitError(9, changes)).toBeLessThan(1e-4);
  });
});

describe('attention with a bias of keys', () => {
  const alibi = { model_type: 'bloom', n_head: 2, n_layer: 2, layer_norm_epsilon: 0.01 };
  const rounded = { model_type: 'falcon', multi_query: false, alibi: true, parallel_attn: false };
  it.each([
    ['ALiBi', alibi],
    ['rounded ALiBi', rounded],
  ])('(%s) agrees with the reference over several blocks', async (_, changes) => {
    expect(await worstLogitError(null, changes)).toBeLessThan(1e-4);
  });
});

describe('windowOf', () => {
  it('returns the window of all layers if the settings have no layer types', () => {
    expect(windowOf({ window: 5 }, 0)).toBe(5);
    expect(windowOf({ window: null }, 0)).toBeUndefined();
    expect(windowOf({}, 0)).toBeUndefined();
  });

  it('returns the window only for layers that the settings list as sliding', () => {
    const settings = { window: 5, layerTypes: ['full_attention', 'sliding_attention'] };
    expect([0, 1].map((layer) => windowOf(settings, layer))).toEqual([undefined, 5]);
  });
});
