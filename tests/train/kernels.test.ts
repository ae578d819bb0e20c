/**
 * @file Training programs with kernels of our own, which the CPU interprets by other operators: they make the update of
 * the plain programs, and use every kernel.
 */
import { describe, expect, it } from 'vitest';
import { deriveKey, integerAt } from '../../src-main/base/random.ts';
import { nodesOf, type Graph } from '../../src-main/graph/graph.ts';
import { allKernels, noKernels, type KernelChoice } from '../../src-main/graph/kernels.ts';
import { encodeWithKernels } from '../../src-main/graph/onnx.ts';
import { kernelOps } from '../../src-main/graph/ops/kernels/index.ts';
import { checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { inPrecision } from '../../src-main/train/precision.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { bucketsOf } from '../../src-main/train/state.ts';
import { stepProgram, type BucketModel } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { initialState, toScalarFeeds } from './bucket-state.ts';

/** In low precision, CUDA's programs use FlashAttention. Here they run before their types are lowered. */
const shape = { microBatch: 2, contextLength: 10, deviceKind: 'cuda', precision: 'bfloat16' } as const;
const hyper = { ...trainingDefaults, gradClip: 1 };

function createModel(id: string): { model: BucketModel; state: Readonly<Record<string, Float32Array>> } {
  // Heads of 16, which FlashAttention has.
  const config = tinyConfig(id, { dims: { head_dim: 16 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 2 ** 20 });
  const weights = new Map(parameters.map((parameter) => [parameter.name, tinyValues(parameter, dims, 3)]));
  return { model: { family, dims, settings, buckets }, state: initialState(buckets, weights) };
}

const programOf = (model: BucketModel, kernelChoice: KernelChoice): Graph =>
  stepProgram(model, { ...shape, kernelChoice }, { ...hyper, kernelChoice });

const kernelsIn = (graph: Graph): ReadonlySet<string> =>
  new Set(nodesOf(Object.values(graph.outputs)).flatMap(({ op }) => (op.kernel ? [op.name] : [])));

describe.each([...families.keys()])('a step of %s', (id) => {
  const { model, state } = createModel(id);

  it('is the same with kernels', async () => {
    const length = shape.microBatch * (shape.contextLength + 1);
    const tokens = Int32Array.from({ length }, (_, i) => integerAt(deriveKey(9), i, model.dims['vocab']!));
    const feeds = { ...state, ...toScalarFeeds(hostScalars(hyper, 1, 1e-2)), tokens };
    const run = async (graph: Graph): Promise<Record<string, Float32Array>> => {
      const isInput = new Set(graph.inputs.map((v) => v.name));
      const given = Object.entries(feeds).filter(([name]) => isInput.has(name));
      return (await createGraphRunner(graph))(Object.fromEntries(given));
    };
    const fused = programOf(model, allKernels);
    expect(kernelsIn(fused).size).toBeGreaterThan(0);
    const expected = await run(programOf(model, noKernels));
    for (const [name, values] of Object.entries(await run(fused))) {
      // The first step moves every weight by the learning rate times the sign of its gradient, if that is not tiny.
      if (name.startsWith('next/weights')) continue;
      const rms = Math.hypot(...expected[name]!) / Math.sqrt(values.length);
      const errors = values.map((x, i) => Math.abs(x - expected[name]![i]!) / (rms + 1e-12));
      expect(Math.max(...errors), name).toBeLessThan(1e-3);
    }
  });
});

describe('a step', () => {
  const { model } = createModel('llama');
  const programs = { float32: 'float32', bfloat16: 'bfloat16', float16: 'float16' } as const;

  it('uses every kernel in low precision, and none without a choice', () => {
    // Between them they have both norms.
    const used = [model, createModel('gpt2').model].flatMap((m) => {
      const graph = inPrecision(programOf(m, allKernels), 'cuda', 'bfloat16', allKernels);
      checkWellFormed(graph, 'kernels');
      return [...kernelsIn(graph)];
    });
    expect([...new Set(used)].sort()).toEqual(Object.keys(kernelOps).sort());
    expect([...kernelsIn(programOf(model, noKernels))]).toEqual([]);
  });

  it.each(Object.values(programs))('has operators of the domain cambium in %s on CUDA alone', (precision) => {
    const program = stepProgram(
      model,
      { ...shape, precision, kernelChoice: allKernels },
      { ...hyper, kernelChoice: allKernels },
    );
    const count = (provider: 'cpu' | 'cuda', kernels: KernelChoice): number =>
      encodeWithKernels(inPrecision(program, provider, precision, kernels), { provider, kernels }).kernelNodes
        .names.size;
    expect(count('cuda', allKernels)).toBeGreaterThan(0);
    expect(count('cuda', noKernels)).toBe(0);
    if (precision === 'float32') expect(count('cpu', allKernels)).toBe(0);
  });
});
