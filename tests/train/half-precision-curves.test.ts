/**
 * @file Two hundred steps in half precision, with the rounding of the GPU kernels, beside the same steps in
 * float32.
 */
import { describe, expect, it } from 'vitest';
import { integerAt, deriveKey } from '../../src-main/base/random.ts';
import type { DeviceKind } from '../../src-main/base/device.ts';
import { allKernels, noKernels, type KernelChoice } from '../../src-main/graph/kernels.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { inPrecision, type Precision } from '../../src-main/train/precision.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { stepProgram, type BucketModel } from '../../src-main/train/step.ts';
import { toyStory } from '../../src-main/train/toy-corpus.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { roundLikeKernels } from '../support/round-like-kernels.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { initialState, nextState, toScalarFeeds } from './bucket-state.ts';

const steps = 200;
const shape = { microBatch: 4, contextLength: 48 };
const hyper = { ...trainingDefaults, gradClip: 1 };
const text = new TextEncoder().encode(Array.from({ length: 60 }, (_, i) => toyStory(1, i)).join('\n'));

/** Random windows of the text for step `t`. */
function tokensOf(t: number): Int32Array {
  const window = shape.contextLength + 1;
  const tokens = new Int32Array(shape.microBatch * window);
  for (let row = 0; row < shape.microBatch; row++) {
    const from = integerAt(deriveKey(5), t * shape.microBatch + row, text.length - window);
    tokens.set(text.subarray(from, from + window), row * window);
  }
  return tokens;
}

function createModel(id: string): { model: BucketModel; weights: ReadonlyMap<string, Float32Array> } {
  const config = tinyConfig(id, { dims: { hidden: 32, layers: 3, vocab: 256, positions: 64 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 2 ** 20 });
  const weights = new Map(parameters.map((parameter) => [parameter.name, tinyValues(parameter, dims, 3)]));
  return { model: { family, dims, settings, buckets }, weights };
}

async function losses(
  id: string,
  device: DeviceKind,
  precision: Precision,
  kernelChoice: KernelChoice = noKernels,
): Promise<readonly number[]> {
  const { model, weights } = createModel(id);
  const program = stepProgram(
    model,
    { ...shape, precision, deviceKind: device, kernelChoice },
    { ...hyper, kernelChoice },
  );
  const graph = roundLikeKernels(inPrecision(program, device, precision, kernelChoice));
  const run = await createGraphRunner(graph);
  const isInput = new Set(graph.inputs.map((v) => v.name));
  let state = initialState(model.buckets, weights);
  const found: number[] = [];
  for (let t = 0; t < steps; t++) {
    const scalars = toScalarFeeds(hostScalars(hyper, t + 1, 3e-3 * Math.min(1, (t + 1) / 20)));
    const feeds = Object.entries({ ...state, ...scalars, tokens: tokensOf(t) });
    const outputs = await run(Object.fromEntries(feeds.filter(([name]) => isInput.has(name))));
    state = nextState(model.buckets, outputs);
    found.push(outputs['loss']![0]!);
  }
  return found;
}

it('llama learns with kernels of our own in bfloat16 as in float32, within 1 % at every step', async () => {
  const exact = await losses('llama', 'cuda', 'float32');
  const rounded = await losses('llama', 'cuda', 'bfloat16', allKernels);
  expect(rounded).not.toEqual(exact);
  expect(Math.max(...rounded.map((loss, i) => Math.abs(loss / exact[i]! - 1)))).toBeLessThan(0.01);
});

describe.each(['llama', 'gpt2'])('%s', (id) => {
  it('learns in bfloat16 as in float32, within 1 % at every step', async () => {
    const exact = await losses(id, 'cuda', 'float32');
    const rounded = await losses(id, 'cuda', 'bfloat16');
    expect(exact.at(-1)!).toBeLessThan(0.6 * exact[0]!);
    expect(rounded).not.toEqual(exact);
    const worst = Math.max(...rounded.map((loss, i) => Math.abs(loss / exact[i]! - 1)));
    expect(worst).toBeLessThan(0.01);
  });
});
