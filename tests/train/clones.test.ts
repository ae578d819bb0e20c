/**
 * @file Clones without noise, trained by every optimizer in float64. With the rates of their growth plan they
 * follow their source exactly, with clipping, weight decay and a large epsilon (docs/methods.md, Learning rates
 * and moments).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { deriveKey, integerAt } from '../../src-main/base/random.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { settingsOf } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import { optimizerIds, type Factors, type OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { bucketsOf, stateNames, type Bucket } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { growWeights, makeRequest, makeTinyModel } from '../growth/tiny-model.ts';
import { gpt2, llama } from '../growth/variants/index.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import type { Weights } from '../support/reference.ts';

const shape = { microBatch: 2, contextLength: 4 };
const steps = 12;
const gradClip = 0.7;
/** With an epsilon that is large enough to matter. */
const hyperparameters = { beta1: 0.9, beta2: 0.95, eps: 1e-3, weightDecay: 0.3, momentum: 0.8 };
const learningRates: Readonly<Record<OptimizerId, number>> = { adamw: 0.01, muon: 0.01, sgd: 0.1 };

const sources: Readonly<Record<string, JsonObject>> = {
  'learned positions, fused attention weights and a tied head': {
    ...gpt2,
    vocab_size: 7,
    n_embd: 4,
    n_head: 2,
    n_inner: 6,
    n_layer: 1,
  },
  'rotary positions, biases and a head of its own': {
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

interface TinyModel {
  readonly family: string;
  readonly dims: Dims;
  readonly config: JsonObject;
}
interface Training {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
}

/** The weights in their buckets, and moments of 0. */
function initialState(buckets: readonly Bucket[], weights: Weights): Record<string, Tensor> {
  const state: Record<string, Tensor> = {};
  for (const name of stateNames(buckets)) {
    const { length } = buckets[Number(name.split('/')[1])]!;
    state[name] = { shape: [length], data: new Float64Array(length) };
  }
  for (const bucket of buckets)
    for (const slot of bucket.slots)
      state[`weights/${bucket.index}`]!.data.set(weights.get(slot.name)!, slot.offset);
  return state;
}

/** The random tokens of a step. */
function tokensOf(step: number, vocab: number): Tensor {
  const { microBatch, contextLength } = shape;
  const length = microBatch * (contextLength + 1);
  const key = deriveKey(step, 'batch');
  return tensor(
    [microBatch, contextLength + 1],
    Float64Array.from({ length }, (_, i) => integerAt(key, i, vocab)),
  );
}

function train(
  model: TinyModel,
  weights: Weights,
  optimizer: OptimizerId,
  factors?: ReadonlyMap<string, Factors>,
): Training {
  const family = familyById(model.family);
  const settings = settingsOf(family, model.config);
  const parameters = parametersOf(family, model.dims, settings);
  const options = { maxElements: 1e9, optimizer, ...(factors ? { factors } : {}) };
  const buckets = bucketsOf(family, parameters, options);
  const graph = stepProgram({ family, dims: model.dims, settings, buckets }, shape, hyperparameters);
  const outputNames = Object.keys(graph.outputs);
  const losses: number[] = [];
  const gradNorms: number[] = [];
  let state = initialState(buckets, weights);
  for (let step = 1; step <= steps; step++) {
    const scalars = hostScalars({ ...hyperparameters, gradClip }, step, learningRates[optimizer]);
    const scalarTensors = Object.entries(scalars).map(([name, x]) => [name, tensor([], [x])] as const);
    const results = evaluate(Object.values(graph.outputs), {
      ...state,
      tokens: tokensOf(step, model.dims['vocab']!),
      ...Object.fromEntries(scalarTensors),
    });
    const byName = new Map(outputNames.map((name, i) => [name, results[i]!]));
    const scalar = (name: string): number => byName.get(name)!.data[0]!;
    losses.push(scalar('loss'));
    gradNorms.push(scalar('gradNorm'));
    expect(scalar('applied')).toBe(1);
    expect(scalar('updateRatio')).toBeGreaterThan(0);
    state = Object.fromEntries(stateNames(buckets).map((name) => [name, byName.get(`next/${name}`)!]));
  }
  return { losses, gradNorms };
}

const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.each(optimizerIds)('a clone that is trained with %s', (optimizer) => {
  describe.each(Object.entries(sources))('of a source with %s', (_, config) => {
    const source = makeTinyModel(config);
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 8, ffn: 18 }, { noise: null }));
    const grown: TinyModel = { family: plan.family, dims: plan.to, config: plan.config };
    const weights = growWeights(plan, source.weights);
    let expected: Training;
    beforeAll(() => {
      expected = train(source, source.weights, optimizer);
    });

    it('has its losses and gradient norms with the rates of the plan', () => {
      const factors = new Map(plan.tensors.map((each) => [each.name, each]));
      const { losses, gradNorms } = train(grown, weights, optimizer, factors);
      // Some steps are clipped.
      expect(Math.max(...expected.gradNorms)).toBeGreaterThan(gradClip);
      expect(largestDifference(losses, expected.losses)).toBeLessThan(1e-8);
      expect(largestDifference(gradNorms, expected.gradNorms)).toBeLessThan(1e-7);
    });

    it('has other losses with one rate for all weights', () => {
      const { losses } = train(grown, weights, optimizer);
      expect(largestDifference(losses, expected.losses)).toBeGreaterThan(1e-4);
    });
  });
});
