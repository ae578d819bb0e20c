/**
 * @file Mixed precision: which ops compute in half precision, gradients compared with finite differences in
 * float64, and the loss scale inside the graph.
 */
import { describe, expect, it } from 'vitest';
import { deviceKinds } from '../../src-main/base/device.ts';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { nodesOf, type Graph } from '../../src-main/graph/graph.ts';
import { constant, graphOf, input, matmul, sigmoid, silu } from '../../src-main/graph/ops/build.ts';
import { kernelOf, lowerGraph } from '../../src-main/graph/onnx.ts';
import { lacksKernel, providers } from '../../src-main/graph/providers.ts';
import { checkExportable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import {
  checkPrecision,
  initialLossScale,
  inPrecision,
  precisions,
  precisionsOf,
  type Precision,
} from '../../src-main/train/precision.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { accumulateProgram, stepProgram, type BucketModel } from '../../src-main/train/step.ts';
import { hostScalars, noLimit } from '../../src-main/train/update.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';
import { initialState, toScalarFeeds } from './bucket-state.ts';

const shape = { microBatch: 2, contextLength: 6 };

/** Half precisions, each with a device that has it. */
const halfPrecisions = [
  ['float16', 'webgpu'],
  ['bfloat16', 'cuda'],
] as const;

/**
 * Largest relative difference between the length of a gradient and the slope of the float64 loss along it: about
 * ten rounding errors of the type.
 */
const tolerance = { float16: 4e-3, bfloat16: 3e-2 } as const;

/** Ops that must compute in float32, in any kernel. */
const exactOps = /^(ReduceSumSquare|LogSoftmax|Log|Sqrt|ScatterND)$/;
/** Ops that may read and write half precision only where the kernel computes in float32 inside. */
const insideOps = /^(ReduceSum|ReduceMean|Softmax|RmsNorm|LayerNorm)$/;

type Feeds = Readonly<Record<string, Feed>>;

interface TinyModel {
  readonly model: BucketModel;
  /** The weights by the names of parameters. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}
function createModel(id: string): TinyModel {
  const config = tinyConfig(id, { config: { num_experts_per_tok: 2 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: 700 });
  const weights = new Map(parameters.map((parameter) => [parameter.name, tinyValues(parameter, dims, 3)]));
  return { model: { family, dims, settings, buckets }, weights };
}

/** Random tokens [batch, seq + 1]. */
function createTokens(vocab: number): Int32Array {
  const length = shape.microBatch * (shape.contextLength + 1);
  return Int32Array.from({ length }, (_, i) => Math.floor(Math.abs(normalAt(deriveKey(9), i)) * 1e6) % vocab);
}

/** The inputs of a graph as tensors of the reference evaluation. */
const toTensors = (graph: Graph, feeds: Feeds): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    graph.inputs.map(({ name, shape: of }) => [name!, tensor(of, Array.from(feeds[name!]!, Number))]),
  );

describe.each(halfPrecisions)('%s on %s', (precision, device) => {
  describe.each([...families.keys()])('for %s', (id) => {
    const { model, weights } = createModel(id);
    const graph = inPrecision(accumulateProgram(model, { ...shape, precision }), device, precision);

    it('computes products in half precision and the rest exactly, with kernels that exist', () => {
      const lowered = lowerGraph(graph, device);
      checkWellFormed(graph, 'mixed');
      checkExportable(lowered, device, 'mixed');
      for (const { op, inputs, outputs, attrs } of nodesOf(Object.values(lowered.outputs))) {
        const floats = [...inputs, ...outputs]
          .map((value) => value.dtype)
          .filter((dtype) => (precisions as readonly string[]).includes(dtype));
        const types = new Set(floats);
        if (op.name === 'MatMul') expect([op.name, ...types]).toEqual([op.name, precision]);
        const kernel = kernelOf(op, { inputs, outputs, attrs })!;
        const isInside = insideOps.test(op.name) && providers[device].float32Inside.has(kernel);
        if (exactOps.test(op.name) || (insideOps.test(op.name) && !isInside))
          expect([op.name, ...types]).toEqual([op.name, 'float32']);
        if (op.name !== 'Cast' && !isInside) expect(types.size).toBeLessThan(2);
        if (types.has(precision) && op.name !== 'Cast')
          expect([kernel, lacksKernel(device, kernel, precision)]).toEqual([kernel, false]);
      }
      expect(Object.values(graph.outputs).every((value) => value.dtype === 'float32')).toBe(true);
    });

    it('has gradients that are the slope of the float64 loss', () => {
      const exact = accumulateProgram(model, shape);
      const scale = 1024;
      const feeds: Record<string, Feed> = {
        ...initialState(model.buckets, weights),
        tokens: createTokens(model.dims['vocab']!),
        keep: Float32Array.of(0),
        'scaling/factor': Float32Array.of(scale),
        loss: Float32Array.of(0),
      };
      for (const bucket of model.buckets) feeds[`gradient/${bucket.index}`] = new Float32Array(bucket.length);
      const names = Object.keys(graph.outputs).filter((name) => name.startsWith('next/gradient'));
      const gradients = evaluate(
        names.map((name) => graph.outputs[name]!),
        toTensors(graph, feeds),
      );
      const factor = precision === 'float16' ? scale : 1;
      /** The gradient of each bucket of weights. */
      const direction = new Map(
        names.map((name, i) => [
          name.replace('next/gradient', 'weights'),
          gradients[i]!.data.map((x) => x / factor),
        ]),
      );
      const length = Math.hypot(...[...direction.values()].map((values) => Math.hypot(...values)));
      const inputs = toTensors(exact, feeds);
      /** The loss after a move along the gradient. */
      const lossAt = (distance: number): number => {
        const moved = { ...inputs };
        for (const [name, values] of direction) {
          const { shape: of, data } = inputs[name]!;
          moved[name] = tensor(
            of,
            data.map((x, i) => x + distance * values[i]!),
          );
        }
        return evaluate([exact.outputs['loss']!], moved)[0]!.data[0]!;
      };
      const step = 1e-4 / length;
      const slope = (lossAt(step) - lossAt(-step)) / (2 * step * length);
      expect(length).toBeGreaterThan(1e-3);
      expect(Math.abs(slope / length - 1)).toBeLessThan(tolerance[precision]);
    });
  });
});

describe.each([...halfPrecisions, ['float16', 'cuda'] as const])(
  'activations in %s on %s',
  (precision, device) => {
    const half = { float16: 2 ** -11, bfloat16: 2 ** -8 }[precision];
    const xs = Array.from({ length: 61 }, (_, i) => -30 + i * 0.75);

    it.each([
      ['silu', silu, (x: number) => x / (1 + Math.exp(-x))],
      ['sigmoid', sigmoid, (x: number) => 1 / (1 + Math.exp(-x))],
    ] as const)('%s keeps its digits where it is small', (_, activation, expected) => {
      const x = input('x', 'float32', [xs.length, 1]);
      // A product makes the activation compute in half precision.
      const y = activation(matmul(x, constant([1], 'float32', [1, 1])));
      const graph = inPrecision(graphOf({ y }), device, precision);
      const { data } = evaluate([graph.outputs['y']!], { x: tensor([xs.length, 1], xs) })[0]!;
      for (const [i, at] of xs.entries()) {
        const value = expected(at);
        const smallest = precision === 'float16' ? 2 ** -25 : 2 ** -126;
        expect(Math.abs(data[i]! - value), `at ${at}`).toBeLessThan(6 * half * Math.abs(value) + smallest);
      }
    });
  },
);

describe('the loss scale', () => {
  const { model, weights } = createModel('llama');
  const { buckets } = model;
  const settings = { ...trainingDefaults, momentum: 0.9 };
  const state = initialState(buckets, weights);
  const scalars = toScalarFeeds(hostScalars({ ...settings, gradClip: 1 }, 1, 1e-3));

  /** Runs a training step on the CPU. */
  async function runStep(precision: Precision, feeds: Feeds): Promise<Record<string, Float32Array>> {
    const graph = inPrecision(stepProgram(model, { ...shape, precision }, settings), 'cpu', precision);
    const all: Feeds = { ...state, ...scalars, ...feeds, tokens: createTokens(model.dims['vocab']!) };
    const run = await createGraphRunner(graph);
    return run(Object.fromEntries(graph.inputs.map(({ name }) => [name!, all[name!]!])));
  }
  const runScaled = (factor: number, finiteUpdates: number): Promise<Record<string, Float32Array>> =>
    runStep('float16', {
      'scaling/factor': Float32Array.of(factor),
      'scaling/finiteUpdates': Float32Array.of(finiteUpdates),
    });
  const scaleAfter = (outputs: Readonly<Record<string, Float32Array>>): readonly number[] => [
    outputs['next/scaling/factor']![0]!,
    outputs['next/scaling/finiteUpdates']![0]!,
  ];

  it('does not change the gradients', async () => {
    const exact = await runStep('float32', {});
    const scaled = await runScaled(initialLossScale.factor, 0);
    for (const name of ['loss', 'gradNorm'])
      expect(Math.abs(scaled[name]![0]! / exact[name]![0]! - 1), name).toBeLessThan(tolerance.float16);
    expect(scaled['applied']![0]).toBe(1);
    expect(scaleAfter(scaled)).toEqual([initialLossScale.factor, 1]);
  });

  it('is halved by an update that overflows, which is skipped', async () => {
    const skipped = await runScaled(2 ** 40, 7);
    expect(skipped['gradNorm']![0]! < noLimit).toBe(false);
    expect(skipped['applied']![0]).toBe(0);
    expect(scaleAfter(skipped)).toEqual([2 ** 39, 0]);
    for (const name of stateNames(buckets)) expect(skipped[`next/${name}`]).toEqual(state[name]);
  });

  it('doubles after a thousand finite updates', async () => {
    expect(scaleAfter(await runScaled(256, 998))[0]).toBe(256);
    expect(scaleAfter(await runScaled(256, 999))).toEqual([512, 0]);
  });

  it('does not exceed its limit', async () => {
    expect(scaleAfter(await runScaled(2 ** 24, 999))[0]).toBeLessThanOrEqual(2 ** 24);
  });
});

describe('checkPrecision', () => {
  it.each(deviceKinds)('refuses the precisions that %s does not have', (device) => {
    const possible = precisionsOf(device);
    expect(possible).toContain('float32');
    for (const precision of precisions) {
      const check = (): void => {
        checkPrecision(device, precision);
      };
      if (possible.includes(precision)) expect(check).not.toThrow();
      else expect(check).toThrow(`does not compute in ${precision}`);
    }
  });
});
