/** @file Trains tiny models in float64 with the step program of src-main/train, before and after they are grown. */
import type { JsonObject } from '../../src-main/base/json.ts';
import { deriveKey, integerAt } from '../../src-main/base/random.ts';
import type { GrowthPlan } from '../../src-main/growth/recipe.ts';
import { settingsOf } from '../../src-main/model/config.ts';
import { familyById } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import type { Factors } from '../../src-main/train/optimizers/index.ts';
import { bucketsOf, stateNames, type Bucket } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import type { Weights } from '../support/reference.ts';
import { gpt2, llama } from './variants/index.ts';

const microBatch = 2;
const contextLength = 4;
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-15, weightDecay: 0.1, momentum: 0 };

const smallLlama: JsonObject = {
  ...llama,
  vocab_size: 7,
  hidden_size: 4,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 2,
  intermediate_size: 6,
  num_hidden_layers: 1,
};

/** Configs small enough to train in float64. */
export const trainableConfigs = {
  gpt2: { ...gpt2, vocab_size: 7, n_embd: 4, n_head: 2, n_inner: 6, n_layer: 1 },
  'llama, tied, MQA': smallLlama,
  'llama, untied, MHA, biases': {
    ...smallLlama,
    num_key_value_heads: 2,
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
  },
} satisfies Readonly<Record<string, JsonObject>>;

type Tensors = ReadonlyMap<string, Float64Array>;
export interface TrainingState {
  readonly weights: Tensors;
  readonly expAvg: Tensors;
  readonly expAvgSq: Tensors;
}
export interface Training {
  readonly losses: readonly number[];
  readonly state: TrainingState;
}
interface Model {
  readonly family: string;
  readonly dims: Dims;
  readonly config: JsonObject;
}
/** Learning-rate and gradient factors of grown weights, by name. */
export type Scales = ReadonlyMap<string, Factors>;
export const noScales: Scales = new Map();

const zerosLike = (weights: Weights): Tensors =>
  new Map([...weights].map(([name, values]) => [name, new Float64Array(values.length)]));

/** The state before the first step: moments of zero. */
export const initialState = (weights: Weights): TrainingState => ({
  weights,
  expAvg: zerosLike(weights),
  expAvgSq: zerosLike(weights),
});

export const modelOf = (plan: GrowthPlan): Model => ({
  family: plan.family,
  dims: plan.to,
  config: plan.config,
});

/** The learning-rate and gradient factors that a plan gives its weights. */
export const scalesOf = (plan: GrowthPlan): Scales =>
  new Map(plan.tensors.map((recipe) => [recipe.name, recipe]));

const stateParts = ['weights', 'expAvg', 'expAvgSq'] as const;

function packBucket(bucket: Bucket, tensors: Tensors): Tensor {
  const data = new Float64Array(bucket.length);
  for (const slot of bucket.slots) data.set(tensors.get(slot.name)!, slot.offset);
  return { shape: [bucket.length], data };
}

function unpackBuckets(buckets: readonly Bucket[], part: string, state: Record<string, Tensor>): Tensors {
  const tensors = new Map<string, Float64Array>();
  for (const bucket of buckets) {
    const { data } = state[`${part}/${bucket.index}`]!;
    for (const { name, offset, count } of bucket.slots) tensors.set(name, data.slice(offset, offset + count));
  }
  return tensors;
}

/** Random token ids that depend only on the step. */
function drawBatch(step: number, vocab: number): Tensor {
  const ids = { length: microBatch * (contextLength + 1) };
  const data = Float64Array.from(ids, (_, i) => integerAt(deriveKey(step, 'batch'), i, vocab));
  return tensor([microBatch, contextLength + 1], data);
}

/** Trains by AdamW from step `from` to step `to`, both included and counted from 1. */
export function trainInFloat64(
  model: Model,
  start: TrainingState,
  factors: Scales,
  to: number,
  from = 1,
  lr = 0.01,
): Training {
  const family = familyById(model.family);
  const settings = settingsOf(family, model.config);
  const parameters = parametersOf(family, model.dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 1e9, factors });
  const bucketModel = { family, dims: model.dims, settings, buckets };
  const graph = stepProgram(bucketModel, { microBatch, contextLength }, adamw);
  const outputNames = Object.keys(graph.outputs);
  const outputValues = Object.values(graph.outputs);
  let state: Record<string, Tensor> = {};
  for (const bucket of buckets) {
    for (const part of stateParts) state[`${part}/${bucket.index}`] = packBucket(bucket, start[part]);
  }
  const losses: number[] = [];
  for (let step = from; step <= to; step++) {
    const scalars = Object.entries(hostScalars({ ...adamw, gradClip: 0 }, step, lr));
    const results = evaluate(outputValues, {
      ...state,
      tokens: drawBatch(step, model.dims['vocab']!),
      ...Object.fromEntries(scalars.map(([name, value]) => [name, tensor([], [value])])),
    });
    const resultOf = new Map(outputNames.map((name, i) => [name, results[i]!]));
    losses.push(resultOf.get('loss')!.data[0]!);
    state = Object.fromEntries(stateNames(buckets).map((name) => [name, resultOf.get(`next/${name}`)!]));
  }
  const unpack = (part: (typeof stateParts)[number]): Tensors => unpackBuckets(buckets, part, state);
  return {
    losses,
    state: { weights: unpack('weights'), expAvg: unpack('expAvg'), expAvgSq: unpack('expAvgSq') },
  };
}

/** Gradients of the first step times 1 - beta1: the first moment after it. */
export const firstMoments = (model: Model, weights: Weights): Tensors =>
  trainInFloat64(model, initialState(weights), noScales, 1).state.expAvg;

/** Largest difference of two series of numbers. */
export const maxDifferenceOf = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
