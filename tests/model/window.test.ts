/**
 * @file Attention in blocks: with windows shorter than, as long as and longer than a block, logits of long
 * texts are those of the float64 reference.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { integerAt, keyOf, normalAt } from '../../src-main/base/random.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { windowOf } from '../../src-main/model/layers.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { countOf } from '../../src-main/tensor/layout.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { logitsProgram } from '../../src-main/train/step.ts';
import { referenceLogits } from '../support/reference.ts';
import { runner } from '../support/run-graph.ts';

const sequence = 150;
const config: JsonObject = {
  model_type: 'mistral',
  vocab_size: 11,
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

async function furthest(sliding_window: number | null, more: JsonObject = {}): Promise<number> {
  const own = { ...config, sliding_window, ...more };
  const family = familyOf(own);
  const dims = dimsOf(family, own);
  const settings = settingsOf(family, own);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { most: 1000 });
  const weights = new Map(
    parameters.map(({ name, shape, spec }) => [
      name,
      Float64Array.from({ length: countOf(shape) }, (_, i) =>
        Math.fround((spec.kind === 'gain' ? 1 : 0) + 0.5 * normalAt(keyOf(3, name), i)),
      ),
    ]),
  );
  const state = Object.fromEntries(
    buckets.map((b) => {
      const flat = new Float32Array(b.length);
      for (const slot of b.slots) flat.set(weights.get(slot.name)!, slot.offset);
      return [`weights/${b.index}`, flat];
    }),
  );
  const tokens = Array.from({ length: sequence }, (_, i) => integerAt(keyOf(5, 'tokens'), i, 11));
  const run = await runner(logitsProgram({ family, dims, settings, buckets }, { microBatch: 1, contextLength: sequence }));
  const { logits } = await run({ ...state, tokens: Int32Array.from(tokens) });
  return referenceLogits(own, weights, tokens).reduce(
    (most, x, i) => Math.max(most, Math.abs(x - logits![i]!)),
    0,
  );
}

describe('a window of', () => {
  it.each([1, 2, 63, 64, 65, 149, 150, 151, null])('%s', async (window) =>
    expect(await furthest(window)).toBeLessThan(1e-4),
  );
  it('some layers alone', async () =>
    expect(
      await furthest(9, { model_type: 'qwen2', use_sliding_window: true, max_window_layers: 1 }),
    ).toBeLessThan(1e-4));
});

it('a window is of all layers, or of those that the settings call sliding', () => {
  expect(windowOf({ window: 5 }, 0)).toBe(5);
  expect(windowOf({ window: null }, 0)).toBeUndefined();
  expect(windowOf({}, 0)).toBeUndefined();
  expect(
    [0, 1].map((l) => windowOf({ window: 5, layerTypes: ['full_attention', 'sliding_attention'] }, l)),
  ).toEqual([undefined, 5]);
});
