/** @file ONNX models: what ONNX Runtime reads from them, and that their bytes are reproducible. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { emitOne, nodesOf, type Op } from '../../src-main/graph/graph.ts';
import { streamingCost } from '../../src-main/graph/op-cost.ts';
import {
  add,
  cast,
  causalAttention,
  constant,
  graphOf,
  input,
  lazyConstant,
  matmul,
  mul,
  silu,
  type Value,
} from '../../src-main/graph/ops/build.ts';
import { encodeOnnxModel, lowerGraph } from '../../src-main/graph/onnx.ts';
import { graphFields, modelFields } from '../../src-main/graph/onnx-proto.ts';
import { tensor } from '../support/evaluate.ts';
import { runOnnx } from './run-onnx.ts';

const x = input('x', 'float32', [3]);
const feeds = { x: tensor([3], [1, -2, 3]) };
const run = async (outputs: Record<string, Value>): Promise<Record<string, number[]>> =>
  Object.fromEntries(
    Object.entries(await runOnnx(graphOf(outputs), feeds)).map(([name, t]) => [name, [...t.data]]),
  );

/** The fields of a protobuf message: numbers and bytes, NaN for other wire types. */
function fieldsOf(bytes: Uint8Array): [number, Uint8Array | number][] {
  const reader = new BinaryReader(bytes);
  const fields: [number, Uint8Array | number][] = [];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === 2) fields.push([field, reader.bytes()]);
    else if (wire === 0) fields.push([field, Number(reader.int64())]);
    else {
      reader.skip(wire, field);
      fields.push([field, NaN]);
    }
  }
  return fields;
}

/** The initializers of a model. */
function initializersOf(model: Uint8Array): Uint8Array[] {
  const [, graph] = fieldsOf(model).find(([field]) => field === modelFields.graph)!;
  return fieldsOf(graph as Uint8Array)
    .filter(([field]) => field === graphFields.initializer)
    .map(([, value]) => value as Uint8Array);
}

describe('encodeOnnxModel', () => {
  it('keeps the names of outputs, also if they are inputs, constants or equal to each other', async () => {
    const y = mul(x, 2);
    expect(await run({ y, again: y, same: x, fixed: add(constant([5, 6]), 0), bare: constant(7) })).toEqual({
      y: [2, -4, 6],
      again: [2, -4, 6],
      same: [1, -2, 3],
      fixed: [5, 6],
      bare: [7],
    });
  });

  it('keeps a listed input that nothing uses', async () => {
    const session = await InferenceSession.create(
      encodeOnnxModel(graphOf({ y: mul(x, 2) }, [input('idle', 'int64', [2]), x])),
    );
    expect(session.inputNames).toEqual(['idle', 'x']);
  });

  it.each(['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'bool'] as const)(
    'writes constants of %s',
    async (dtype) => {
      const numbers = dtype === 'bool' ? [1, 0, 1] : [1, -2, 96];
      expect((await run({ y: cast(constant(numbers, dtype), 'float32'), n: x })).y).toEqual(numbers);
    },
  );

  it('writes equal constants once, and creates their elements only then', () => {
    let created = 0;
    const big = (): Value =>
      lazyConstant('ramp', 'float32', [3], () => {
        created++;
        return [1, 2, 3];
      });
    const a = big();
    const graph = graphOf({ y: add(add(add(x, a), big()), mul(mul(x, 0.5), 0.5)) });
    expect(created).toBe(0);
    expect(initializersOf(encodeOnnxModel(graph))).toHaveLength(2);
    expect(created).toBe(1);
  });

  it('gives equal graphs equal bytes, whatever was built before', () => {
    const build = (): Uint8Array => {
      const v = input('v', 'float32', [2, 2]);
      return encodeOnnxModel(graphOf({ y: silu(matmul(v, mul(v, 3), { transB: true })) }));
    };
    const first = build();
    mul(x, 5);
    expect(build()).toEqual(first);
  });

  it('imports the com.microsoft domain only if it is used', () => {
    const opsets = (v: Value): number =>
      fieldsOf(encodeOnnxModel(graphOf({ v }))).filter(([field]) => field === modelFields.opset).length;
    expect([opsets(mul(x, 2)), opsets(silu(x))]).toEqual([1, 2]);
  });

  it('imports a newer operator set only if an operator needs it', () => {
    const version = (v: Value): number | undefined => {
      const [, opset] = fieldsOf(encodeOnnxModel(graphOf({ v }))).find(([f]) => f === modelFields.opset)!;
      return (opset as Uint8Array).at(-1);
    };
    const q = input('q', 'float32', [1, 4, 8]);
    const attention = causalAttention(q, q, q, { queryHeads: 2, keyHeads: 2, scale: 1 });
    expect([version(mul(x, 2)), version(attention)]).toEqual([21, 23]);
  });

  it('turns inputs into initializers, from bytes or from a range of a file', async () => {
    const w = input('w', 'float32', [3]);
    const u = input('u', 'float32', [3]);
    const dir = await mkdtemp(join(tmpdir(), 'cambium-'));
    const numbers = Float32Array.of(9, 9, 10, 20, 30);
    const bytes = encodeOnnxModel(graphOf({ y: add(add(x, w), u) }), {
      initializers: {
        w: { file: 'weights.bin', offset: 8, bytes: 12 },
        u: new Uint8Array(Float32Array.of(100, 200, 300).buffer),
      },
    });
    try {
      await writeFile(join(dir, 'weights.bin'), new Uint8Array(numbers.buffer));
      await writeFile(join(dir, 'model.onnx'), bytes);
      const session = await InferenceSession.create(join(dir, 'model.onnx'));
      expect(session.inputNames).toEqual(['x']);
      const { y } = await session.run({ x: new OrtTensor('float32', Float32Array.of(1, 2, 3), [3]) });
      expect([...(y!.data as Float32Array)]).toEqual([111, 222, 333]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('lowerGraph', () => {
  it('replaces fused operators for a provider that lacks them', () => {
    const batch = input('b', 'float32', [2, 3, 3]);
    const graph = graphOf({ y: matmul(batch, batch, { transB: true, alpha: 0.5 }) });
    const names = (provider: 'cpu' | 'webgpu'): string[] =>
      nodesOf(Object.values(lowerGraph(graph, provider).outputs)).map((n) => n.op.name);
    expect(names('cpu')).toEqual(['MatMul']);
    expect(names('webgpu')).toEqual(['Transpose', 'MatMul', 'Mul']);
  });

  it('rejects an operator that the provider lacks and that has no lowering', () => {
    const Mystery: Op = {
      name: 'Mystery',
      cost: streamingCost,
      castPolicy: 'float32',
      onnx: null,
      infer: ([v]) => [v!],
    };
    const graph = graphOf({ y: emitOne(Mystery, [x], {}) });
    expect(() => lowerGraph(graph, 'cpu')).toThrow(
      expect.objectContaining({
        code: 'graph/invalid',
        detail: expect.objectContaining({ pass: 'export for cpu', node: 'Mystery' }) as unknown,
      }),
    );
  });
});
