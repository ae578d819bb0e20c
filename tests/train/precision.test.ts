/**
 * @file Mixed precision: which rows compute in the short type, gradients against float64 finite differences
 * within the type's own tolerance, and the loss scale's life inside the graph.
 */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { checkExportable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { nodesOf, type Graph } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import { deviceKinds } from '../../src-main/base/device.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import {
  checkPrecision,
  inPrecision,
  precisions,
  precisionsOf,
  initialLossScale,
  type Precision,
} from '../../src-main/train/precision.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { accumulateProgram, stepProgram, type BucketModel } from '../../src-main/train/step.ts';
import { hostScalars, noLimit } from '../../src-main/train/update.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';
import { tinyConfig, tinyValues } from '../support/tiny.ts';

const batch = 2;
const sequence = 6;
const short = [
  ['float16', 'webgpu'],
  ['bfloat16', 'cuda'],
] as const;

/**
 * Largest share by which a gradient's length may differ from the slope of the float64 loss along it: some ten
 * roundings of the type.
 */
const tolerance = { float16: 4e-3, bfloat16: 3e-2 } as const;

/**
 * ONNX operators with a bfloat16 kernel in ONNX Runtime 1.30's CUDA provider (docs/OperatorKernels.md there),
 * of those that training uses.
 */
const cudaBrain = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Cast',
  'Concat',
  'Gather',
  'Gemm',
  'Identity',
  'MatMul',
  'FusedMatMul',
  'Neg',
  'QuickGelu',
  'Relu',
  'Reshape',
  'RotaryEmbedding',
  'Sigmoid',
  'Slice',
  'Softmax',
  'Split',
  'Tanh',
  'Transpose',
]);

function modelOf(
  id: string,
  most = 700,
): { readonly model: BucketModel; readonly weights: Readonly<Record<string, Float32Array>> } {
  const config = tinyConfig(id, { config: { num_experts_per_tok: 2 } });
  const family = families.get(id)!;
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const parameters = parametersOf(family, dims, settings);
  const buckets = bucketsOf(family, parameters, { maxElements: most });
  const values = new Map(parameters.map((p) => [p.name, tinyValues(p, dims, 3)]));
  const weights = Object.fromEntries(
    buckets.map((b) => {
      const flat = new Float32Array(b.length);
      for (const slot of b.slots) flat.set(values.get(slot.name)!, slot.offset);
      return [`weights/${b.index}`, flat];
    }),
  );
  return { model: { family, dims, settings, buckets }, weights };
}

const tokens = (vocab: number): Int32Array =>
  Int32Array.from(
    { length: batch * (sequence + 1) },
    (_, i) => Math.floor(Math.abs(normalAt(deriveKey(9), i)) * 1e6) % vocab,
  );
const asTensors = (graph: Graph, fed: Readonly<Record<string, Feed>>): Record<string, Tensor> =>
  Object.fromEntries(graph.inputs.map((v) => [v.name!, tensor(v.shape, Array.from(fed[v.name!]!, Number))]));

describe.each(short)('%s for %s', (precision, provider) => {
  it.each([...families.keys()])(
    '%s: products are short, what must be exact is not, and gradients are those of the loss',
    (id) => {
      const { model, weights } = modelOf(id);
      const plain = accumulateProgram(model, { microBatch: batch, contextLength: sequence });
      const graph = inPrecision(
        accumulateProgram(model, { microBatch: batch, contextLength: sequence, precision }),
        provider,
        precision,
      );
      checkWellFormed(graph, 'mixed');
      checkExportable(lowerGraph(graph, provider), provider, 'mixed');
      for (const { op, inputs, outputs, attrs } of nodesOf(
        Object.values(lowerGraph(graph, provider).outputs),
      )) {
        const kinds = new Set(
          [...inputs, ...outputs]
            .map((v) => v.dtype)
            .filter((t) => (precisions as readonly string[]).includes(t)),
        );
        if (op.name === 'MatMul') expect([op.name, ...kinds]).toEqual([op.name, precision]);
        if (/^(Reduce|Softmax|LogSoftmax|Log|Exp|Sqrt|Scatter|Reciprocal|Div)/.test(op.name))
          expect([op.name, ...kinds]).toEqual([op.name, 'float32']);
        if (op.name !== 'Cast') expect(kinds.size).toBeLessThan(2);
        if (precision === 'bfloat16' && kinds.has('bfloat16'))
          expect(cudaBrain).toContain(op.onnx?.({ inputs, outputs, attrs })?.op ?? op.name);
      }
      expect(Object.values(graph.outputs).every((v) => v.dtype === 'float32')).toBe(true);

      const gradients = Object.fromEntries(
        model.buckets.map((b) => [`gradient/${b.index}`, new Float32Array(b.length)]),
      );
      const scale = 1024;
      const fed: Record<string, Feed> = {
        ...weights,
        ...gradients,
        tokens: tokens(model.dims['vocab']!),
        keep: Float32Array.of(0),
        'scaling/factor': Float32Array.of(scale),
        loss: Float32Array.of(0),
      };
      const names = Object.keys(graph.outputs).filter((n) => n.startsWith('next/gradient'));
      const found = evaluate(
        names.map((n) => graph.outputs[n]!),
        asTensors(graph, fed),
      );
      const factor = precision === 'float16' ? scale : 1;
      const direction = new Map(
        names.map((n, i) => [n.replace('next/gradient', 'weights'), found[i]!.data.map((v) => v / factor)]),
      );
      const length = Math.hypot(...[...direction.values()].map((d) => Math.hypot(...d)));
      const step = 1e-4 / length;
      const lossAt = (by: number): number =>
        evaluate(
          [plain.outputs['loss']!],
          Object.fromEntries(
            Object.entries(asTensors(plain, fed)).map(([n, t]) => [
              n,
              direction.has(n)
                ? tensor(
                    t.shape,
                    t.data.map((v, i) => v + by * direction.get(n)![i]!),
                  )
                : t,
            ]),
          ),
        )[0]!.data[0]!;
      const slope = (lossAt(step) - lossAt(-step)) / (2 * step * length);
      expect(length).toBeGreaterThan(1e-3);
      expect(Math.abs(slope / length - 1)).toBeLessThan(tolerance[precision]);
    },
  );
});

describe('the loss scale', () => {
  const { model, weights } = modelOf('llama');
  const { buckets } = model;
  const hyper = { ...trainingDefaults, momentum: 0.9 };
  const state: Record<string, Feed> = {
    ...Object.fromEntries(
      stateNames(buckets).map((n) => [n, new Float32Array(buckets[Number(n.split('/')[1])]!.length)]),
    ),
    ...weights,
  };
  const scalars = Object.fromEntries(
    Object.entries(hostScalars({ ...hyper, gradClip: 1 }, 1, 1e-3)).map(([n, v]) => [n, Float32Array.of(v)]),
  );
  const graph = (precision: Precision): Graph =>
    inPrecision(
      stepProgram(model, { microBatch: batch, contextLength: sequence, precision }, hyper),
      'cpu',
      precision,
    );
  const stepped = async (
    graph: Graph,
    fed: Readonly<Record<string, Feed>>,
  ): Promise<Record<string, Float32Array>> => {
    const all: Readonly<Record<string, Feed>> = {
      ...state,
      ...scalars,
      ...fed,
      tokens: tokens(model.dims['vocab']!),
    };
    return (await createGraphRunner(graph))(
      Object.fromEntries(graph.inputs.map(({ name }) => [name!, all[name!]!])),
    );
  };
  const run = (factor: number, good: number): Promise<Record<string, Float32Array>> =>
    stepped(graph('float16'), {
      'scaling/factor': Float32Array.of(factor),
      'scaling/finiteUpdates': Float32Array.of(good),
    });

  it('does not change the gradients', async () => {
    const plain = await stepped(graph('float32'), {});
    const out = await run(initialLossScale.factor, 0);
    expect(Math.abs(out['loss']![0]! / plain['loss']![0]! - 1)).toBeLessThan(tolerance.float16);
    expect(Math.abs(out['gradNorm']![0]! / plain['gradNorm']![0]! - 1)).toBeLessThan(tolerance.float16);
    expect([
      out['applied']![0],
      out['next/scaling/factor']![0],
      out['next/scaling/finiteUpdates']![0],
    ]).toEqual([1, initialLossScale.factor, 1]);
  });

  it('skips an update that overflows and halves the scale', async () => {
    const out = await run(2 ** 40, 7);
    expect(out['gradNorm']![0]! < noLimit).toBe(false);
    expect([
      out['applied']![0],
      out['next/scaling/factor']![0],
      out['next/scaling/finiteUpdates']![0],
    ]).toEqual([0, 2 ** 39, 0]);
    for (const name of stateNames(buckets)) expect(out[`next/${name}`]).toEqual(state[name]);
  });

  it('doubles after a thousand finite updates, up to a limit', async () => {
    expect((await run(256, 998))['next/scaling/factor']![0]).toBe(256);
    const grown = await run(256, 999);
    expect([grown['next/scaling/factor']![0], grown['next/scaling/finiteUpdates']![0]]).toEqual([512, 0]);
    expect((await run(2 ** 24, 999))['next/scaling/factor']![0]).toBeLessThanOrEqual(2 ** 24);
  });
});

describe('checkPrecision', () => {
  it.each(deviceKinds)('%s', (device) => {
    const possible = precisionsOf(device);
    expect(possible).toContain('float32');
    for (const precision of precisions) {
      const ask = (): void => {
        checkPrecision(device, precision);
      };
      if (possible.includes(precision)) expect(ask).not.toThrow();
      else expect(ask).toThrow(`does not compute in ${precision}`);
    }
  });
});
