/**
 * @file The op table on an accelerator: every sample and its gradient agree with the float64 meaning there,
 * and what has no kernel is listed.
 */
import { describe, expect, it } from 'vitest';
import type { Device } from '../../src-main/engine/ort/device.ts';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import { add, constant, input, mul, scatterRows, sum } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { graphOf, nodesOf, type Graph, type Value } from '../../src-main/graph/graph.ts';
import { lowered, onnxModel } from '../../src-main/graph/onnx.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import '../support/close.ts';
import { evaluate, type Tensor } from '../support/evaluate.ts';
import { samples } from '../graph/op-samples.ts';
import { accelerators } from './devices.ts';

/**
 * Element types that a device has kernels for; a graph with another may be refused, and is never run
 * elsewhere.
 */
const wide: Readonly<Record<string, readonly DType[]>> = { webgpu: ['int64', 'float64'], cuda: [] };
/**
 * Ops whose samples have such types, whole or in their gradients: none of them is missing with int32 and
 * float32.
 */
const refused: Readonly<Record<string, readonly string[]>> = {
  webgpu: ['CrossEntropy', 'Cast', 'CumSum', 'Equal', 'Gather', 'OneHot', 'ScatterND'],
  cuda: [],
};

type Feeds = Readonly<Record<string, Tensor>>;
const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
const fed = ({ dtype, shape }: Value, { data }: Tensor): DeviceTensor =>
  DeviceTensor.over(
    dtype === 'int64'
      ? BigInt64Array.from([...data].map(BigInt))
      : arrays[dtype as keyof typeof arrays].from(data),
    dtype,
    shape,
  );

const opens = async (device: Device, graph: Graph): Promise<void> => {
  await (await device.session(onnxModel(graph, { provider: device.kind }))).dispose();
};

async function agrees(device: Device, graph: Graph, feeds: Feeds): Promise<void> {
  const session = await device.session(onnxModel(graph, { provider: device.kind }));
  expect(session.hostNodes).toEqual([]);
  const results = await session.run(
    Object.fromEntries(
      session.inputs.map((name) => [
        name,
        fed(
          graph.inputs.find((v) => v.name === name)!,
          feeds[name]!,
        ),
      ]),
    ),
    Object.fromEntries(session.outputs.map((name) => [name, 'host' as const])),
  );
  const expected = evaluate(Object.values(graph.outputs), feeds);
  Object.entries(graph.outputs).forEach(([name, v], i) => {
    expect(results.get(name)!.shape).toEqual(v.shape);
    expect(Float64Array.from(results.get(name)!.values(v.dtype as 'float32'), Number)).toBeClose(
      expected[i]!.data,
      'float32',
      v.shape,
    );
  });
  await session.dispose();
}

const named = (outputs: readonly Value[], inputs: readonly Value[]): Graph =>
  simplify(graphOf(Object.fromEntries(outputs.map((v, i) => [`y${i}`, v])), [...inputs]));
const hasWide = (kind: string, graph: Graph): boolean =>
  nodesOf(Object.values(lowered(graph, kind as 'webgpu').outputs)).some((n) =>
    [...n.inputs, ...n.outputs].some((v) => wide[kind]!.includes(v.dtype)),
  );

/** The forward graph of a sample and that of its gradients, where it has one. */
function graphsOf(outputs: readonly Value[], inputs: readonly Value[]): readonly Graph[] {
  const losses = outputs
    .filter((v) => v.dtype === 'float32')
    .map((v, k) =>
      sum(
        mul(
          v,
          constant(
            Float64Array.from({ length: v.shape.reduce((n, s) => n * s, 1) }, (_, i) =>
              Math.fround(Math.cos(1 + i + 7 * k)),
            ),
            'float32',
            v.shape,
          ),
        ),
      ),
    );
  const smooth = inputs.filter((v) => v.dtype === 'float32');
  const forward = named(outputs, inputs);
  return losses.length === 0 || smooth.length === 0
    ? [forward]
    : [
        forward,
        named(
          grad(
            losses.reduce((a, b) => add(a, b)),
            smooth,
          ),
          inputs,
        ),
      ];
}

for (const [kind, device] of accelerators) {
  describe.skipIf(!device)(`${kind}, ${device?.name}`, () => {
    const seen = new Set<string>();
    it.each(Object.keys(samples) as (keyof typeof samples)[])('%s', async (name) => {
      for (const { feeds, make } of samples[name]) {
        const inputs = feeds.map(({ dtype, value }, i) => input(`x${i}`, dtype, value.shape));
        const all = Object.fromEntries(feeds.map(({ value }, i) => [`x${i}`, value]));
        for (const graph of graphsOf([make(...inputs)].flat(), inputs)) {
          if (!hasWide(kind, graph)) {
            await agrees(device!, graph, all);
            continue;
          }
          const error = await opens(device!, graph).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (!error) {
            await agrees(device!, graph, all);
            continue;
          }
          expect(error).toMatchObject({ code: 'engine/other-device', detail: { asked: kind } });
          seen.add(name);
        }
      }
    });

    it('those that are refused for their element types are these', () => {
      expect([...seen].sort()).toEqual([...refused[kind]!].sort());
    });

    it('rows that are named many times get every update', async () => {
      const rows = 50;
      const count = 4096;
      const width = 33;
      const at = Int32Array.from({ length: count }, (_, i) => (i * i) % 7);
      const updates = Float32Array.from({ length: count * width }, (_, i) => Math.fround(Math.cos(i) + 0.5));
      const table = input('table', 'float32', [rows, width]);
      const ids = input('ids', 'int32', [count]);
      const from = input('updates', 'float32', [count, width]);
      const feeds = {
        table: { shape: [rows, width], data: new Float64Array(rows * width) },
        ids: { shape: [count], data: Float64Array.from(at) },
        updates: { shape: [count, width], data: Float64Array.from(updates) },
      };
      for (let n = 0; n < 5; n++)
        await agrees(device!, named([scatterRows(table, ids, from)], [table, ids, from]), feeds);
    });
  });
}
