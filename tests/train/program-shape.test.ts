/** @file Programs without gradients on CUDA: the losses that they measure, and their one kernel of attention. */
import { describe, expect, it } from 'vitest';
import { deriveKey, integerAt } from '../../src-main/base/random.ts';
import { nodesOf, type Graph } from '../../src-main/graph/graph.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { inPrecision } from '../../src-main/train/precision.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { lossProgram, type BucketModel } from '../../src-main/train/step.ts';
import { roundLikeKernels } from '../support/round-like-kernels.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { initialState } from './bucket-state.ts';

const shape = { microBatch: 2, contextLength: 10, deviceKind: 'cuda' } as const;

function createModel(id: string): { model: BucketModel; feeds: Readonly<Record<string, Float32Array>> } {
  const config = tinyConfig(id);
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 2 ** 20 });
  const weights = new Map(parameters.map((parameter) => [parameter.name, tinyValues(parameter, dims, 3)]));
  return { model: { family, dims, settings, buckets }, feeds: initialState(buckets, weights) };
}

/** The losses of random tokens. */
async function lossesOf(graph: Graph, feeds: object, vocab: number): Promise<readonly number[]> {
  const length = shape.microBatch * (shape.contextLength + 1);
  const tokens = Int32Array.from({ length }, (_, i) => integerAt(deriveKey(9), i, vocab));
  const run = await createGraphRunner(graph);
  const isInput = new Set(graph.inputs.map((v) => v.name));
  const inputs = Object.entries({ ...feeds, tokens }).filter(([name]) => isInput.has(name));
  return Array.from((await run(Object.fromEntries(inputs)))['losses']!);
}

const kernels = (graph: Graph): number =>
  nodesOf(Object.values(graph.outputs)).filter((node) => node.op.name === 'CausalAttention').length;

describe.each([...families.keys()])('evaluation of %s in bfloat16', (id) => {
  const { model, feeds } = createModel(id);
  const vocab = model.dims['vocab']!;
  const exactProgram = lossProgram(model, shape);
  const program = lossProgram(model, { ...shape, precision: 'bfloat16' });

  it('computes what the program with gradients computes, before its types are lowered', async () => {
    const exact = await lossesOf(exactProgram, feeds, vocab);
    const found = await lossesOf(program, feeds, vocab);
    found.forEach((loss, i) => {
      expect(loss).toBeCloseTo(exact[i]!, 4);
    });
  });

  it('gives losses within 2 % with the rounding of the kernels', async () => {
    const exact = await lossesOf(exactProgram, feeds, vocab);
    const rounded = roundLikeKernels(inPrecision(program, 'cuda', 'bfloat16'));
    const found = await lossesOf(rounded, feeds, vocab);
    const mean = (losses: readonly number[]): number => losses.reduce((a, b) => a + b, 0) / losses.length;
    expect(found).not.toEqual(exact);
    expect(Math.abs(mean(found) / mean(exact) - 1)).toBeLessThan(0.02);
  });

  it('keeps documents apart, by a mask that the kernel does not have', () => {
    expect(kernels(lossProgram(model, { ...shape, precision: 'bfloat16', documentMask: 'on' }))).toBe(0);
  });
});

describe('a program without gradients', () => {
  const { model } = createModel('llama');

  it('computes attention in one kernel per layer on CUDA in low precision only', () => {
    expect(kernels(lossProgram(model, { ...shape, precision: 'bfloat16' }))).toBe(model.dims['layers']);
    expect(kernels(lossProgram(model, shape))).toBe(0);
    expect(kernels(lossProgram(model, { ...shape, precision: 'float16', deviceKind: 'webgpu' }))).toBe(0);
  });
});
