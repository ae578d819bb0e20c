/**
 * @file Plain clones trained by every optimizer at the rates of their plan, in float64: they follow their
 * source exactly, clipping, decay and epsilon included (methods.md 1.11).
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { integerAt, deriveKey } from '../../src-main/base/random.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { settingsOf } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { optimizerIds, type Factors, type OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import type { Weights } from '../support/reference.ts';
import { makeRequest, growWeights, makeTinyModel } from '../growth/tiny-model.ts';
import { gpt2, llama } from '../growth/variants/index.ts';

const batch = 2;
const sequence = 4;
const steps = 12;
const clip = 0.7;
const hyper = { beta1: 0.9, beta2: 0.95, eps: 1e-3, weightDecay: 0.3, momentum: 0.8 }; // an epsilon that matters
const rates: Readonly<Record<OptimizerId, number>> = { adamw: 0.01, muon: 0.01, sgd: 0.1 };
const sources: Readonly<Record<string, JsonObject>> = {
  'learned positions, fused, tied': { ...gpt2, vocab_size: 7, n_embd: 4, n_head: 2, n_inner: 6, n_layer: 1 },
  'rotary, untied, biases': {
    ...llama,
    vocab_size: 7,
    hidden_size: 4,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 2,
    intermediate_size: 6,
    num_hidden_layers: 1,
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
  },
};

function train(
  model: { readonly family: string; readonly dims: Dims; readonly config: JsonObject },
  weights: Weights,
  optimizer: OptimizerId,
  factors?: ReadonlyMap<string, Factors>,
): { readonly losses: readonly number[]; readonly norms: readonly number[] } {
  const family = familyById(model.family);
  const settings = settingsOf(family, model.config);
  const buckets = bucketsOf(family, parametersOf(family, model.dims, settings), {
    maxElements: 1e9,
    optimizer,
    ...(factors ? { factors } : {}),
  });
  const graph = stepProgram(
    { family, dims: model.dims, settings, buckets },
    { microBatch: batch, contextLength: sequence },
    hyper,
  );
  const outputs = Object.entries(graph.outputs);
  let state: Record<string, Tensor> = Object.fromEntries(
    stateNames(buckets).map((name) => [
      name,
      {
        shape: [buckets[Number(name.split('/')[1])]!.length],
        data: new Float64Array(buckets[Number(name.split('/')[1])]!.length),
      },
    ]),
  );
  for (const b of buckets)
    for (const slot of b.slots) state[`weights/${b.index}`]!.data.set(weights.get(slot.name)!, slot.offset);
  const losses: number[] = [];
  const norms: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const tokens = Float64Array.from({ length: batch * (sequence + 1) }, (_, i) =>
      integerAt(deriveKey(t, 'batch'), i, model.dims['vocab']!),
    );
    const found = evaluate(
      outputs.map(([, v]) => v),
      {
        ...state,
        tokens: tensor([batch, sequence + 1], tokens),
        ...Object.fromEntries(
          Object.entries(hostScalars({ ...hyper, gradClip: clip }, t, rates[optimizer])).map(([name, x]) => [
            name,
            tensor([], [x]),
          ]),
        ),
      },
    );
    const named = new Map(outputs.map(([name], i) => [name, found[i]!]));
    losses.push(named.get('loss')!.data[0]!);
    norms.push(named.get('gradNorm')!.data[0]!);
    expect(named.get('applied')!.data[0]).toBe(1);
    expect(named.get('updateRatio')!.data[0]).toBeGreaterThan(0);
    state = Object.fromEntries(stateNames(buckets).map((name) => [name, named.get(`next/${name}`)!]));
  }
  return { losses, norms };
}
const furthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.each(optimizerIds)('%s', (optimizer) => {
  it.each(Object.entries(sources))('%s', (_, config) => {
    const source = makeTinyModel(config);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 8, ffn: 18 }, { noise: null }));
    const grown = { family: plan.family, dims: plan.to, config: plan.config };
    const base = train(source, source.weights, optimizer);
    const start = growWeights(plan, source.weights);
    const factors = new Map(plan.tensors.map((t) => [t.name, t]));
    const clone = train(grown, start, optimizer, factors);
    const hasty = train(grown, start, optimizer);
    expect(Math.max(...base.norms)).toBeGreaterThan(clip); // some steps are clipped
    expect(furthest(clone.losses, base.losses)).toBeLessThan(1e-8);
    expect(furthest(clone.norms, base.norms)).toBeLessThan(1e-7);
    expect(furthest(hasty.losses, base.losses)).toBeGreaterThan(1e-4);
  });
});
