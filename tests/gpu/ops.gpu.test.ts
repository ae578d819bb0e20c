/**
 * @file Every operator on an accelerator: each sample and its gradient agree with the float64 reference, and
 * graphs that are refused for their element types are listed.
 */
import { describe, expect, it } from 'vitest';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import type { Device } from '../../src-main/engine/ort/device.ts';
import { nodesOf, type Graph, type Value } from '../../src-main/graph/graph.ts';
import { encodeOnnxModel, lowerGraph } from '../../src-main/graph/onnx.ts';
import { input, scatterAddRows } from '../../src-main/graph/ops/build.ts';
import type { OpName } from '../../src-main/graph/ops/index.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import type { Provider } from '../../src-main/graph/providers.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import { buildSample, graphOfList, lossOf, samples, type BuiltSample } from '../graph/op-samples.ts';
import '../support/close.ts';
import { evaluate, type Tensor } from '../support/evaluate.ts';
import { accelerators } from './devices.ts';

/** Element types that a device may lack kernels for. A graph that uses them may be refused. */
const optionalTypes: Readonly<Record<string, readonly DType[]>> = { webgpu: ['int64', 'float64'], cuda: [] };

/** Operators with a sample that is refused for its types. All of them work with int32 and float32. */
const refusedOps: Readonly<Record<string, readonly OpName[]>> = {
  webgpu: ['Cast', 'CrossEntropy', 'CumSum', 'Equal', 'Gather', 'OneHot', 'ScatterND'],
  cuda: [],
};

type Feeds = BuiltSample['feeds'];

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
function toDeviceTensor({ dtype, shape }: Value, { data }: Tensor): DeviceTensor {
  const elements =
    dtype === 'int64'
      ? BigInt64Array.from([...data].map(BigInt))
      : arrays[dtype as keyof typeof arrays].from(data);
  return DeviceTensor.fromArray(elements, dtype, shape);
}

async function openAndClose(device: Device, graph: Graph): Promise<void> {
  const session = await device.openSession(encodeOnnxModel(graph, { provider: device.kind }));
  await session.dispose();
}

async function expectAgreement(device: Device, graph: Graph, feeds: Feeds): Promise<void> {
  const session = await device.openSession(encodeOnnxModel(graph, { provider: device.kind }));
  expect(session.hostNodes).toEqual([]);
  const inputOf = (name: string): DeviceTensor => {
    const value = graph.inputs.find((v) => v.name === name)!;
    return toDeviceTensor(value, feeds[name]!);
  };
  const results = await session.run(
    Object.fromEntries(session.inputs.map((name) => [name, inputOf(name)])),
    Object.fromEntries(session.outputs.map((name) => [name, 'host' as const])),
  );
  const expected = evaluate(Object.values(graph.outputs), feeds);
  Object.entries(graph.outputs).forEach(([name, v], i) => {
    const result = results.get(name)!;
    const elements = Float64Array.from(result.values(v.dtype as 'float32'), Number);
    expect(result.shape).toEqual(v.shape);
    expect(elements).toBeClose(expected[i]!.data, 'float32', v.shape);
  });
  await session.dispose();
}

/** The forward graph of a sample and, if it has gradients, the graph of these. */
function graphsOf({ inputs, outputs }: BuiltSample): readonly Graph[] {
  const forward = simplify(graphOfList(outputs, inputs));
  const loss = lossOf(outputs);
  const wrt = inputs.filter((v) => v.dtype === 'float32');
  if (!loss || wrt.length === 0) return [forward];
  return [forward, simplify(graphOfList(grad(loss, wrt), inputs))];
}

const usesOptionalTypes = (kind: Provider, graph: Graph): boolean =>
  nodesOf(Object.values(lowerGraph(graph, kind).outputs)).some((node) =>
    [...node.inputs, ...node.outputs].some((v) => optionalTypes[kind]!.includes(v.dtype)),
  );

for (const [kind, device] of accelerators) {
  describe.skipIf(!device)(`${kind}, ${device?.name}`, () => {
    const refused = new Set<string>();

    /** The error with which the device refuses a graph for its types; undefined if it runs the graph. */
    const refusalOf = async (graph: Graph): Promise<unknown> => {
      if (!usesOptionalTypes(kind, graph)) return undefined;
      return openAndClose(device!, graph).then(
        () => undefined,
        (error: unknown) => error,
      );
    };

    it.each(Object.keys(samples) as OpName[])('%s agrees with the reference', async (name) => {
      for (const sample of samples[name].map(buildSample)) {
        for (const graph of graphsOf(sample)) {
          const error = await refusalOf(graph);
          if (error) {
            expect(error).toMatchObject({ code: 'engine/other-device', detail: { asked: kind } });
            refused.add(name);
          } else {
            await expectAgreement(device!, graph, sample.feeds);
          }
        }
      }
    });

    it('refuses samples of the listed operators only', () => {
      expect([...refused].sort()).toEqual([...refusedOps[kind]!].sort());
    });

    it('adds every update to rows that are selected many times', async () => {
      const rows = 50;
      const count = 4096;
      const width = 33;
      const indices = Float64Array.from({ length: count }, (_, i) => (i * i) % 7);
      const values = Float64Array.from({ length: count * width }, (_, i) => Math.fround(Math.cos(i) + 0.5));
      const table = input('table', 'float32', [rows, width]);
      const ids = input('ids', 'int32', [count]);
      const updates = input('updates', 'float32', [count, width]);
      const feeds = {
        table: { shape: [rows, width], data: new Float64Array(rows * width) },
        ids: { shape: [count], data: indices },
        updates: { shape: [count, width], data: values },
      };
      const inputs = [table, ids, updates];
      const graph = simplify(graphOfList([scatterAddRows(table, ids, updates)], inputs));
      for (let run = 0; run < 5; run++) await expectAgreement(device!, graph, feeds);
    });
  });
}
