/** @file The bytes of a model: what ONNX Runtime reads from them, and that they are the same each time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  add,
  cast,
  constant,
  lazyConstant,
  graphOf,
  input,
  matmul,
  mul,
  scatterAddRows,
  silu,
  type Value,
} from '../../src-main/graph/ops/build.ts';
import { lowerGraph, encodeOnnxModel } from '../../src-main/graph/onnx.ts';
import { nodesOf } from '../../src-main/graph/graph.ts';
import '../support/close.ts';
import { tensor } from '../support/evaluate.ts';
import { runOnnx } from './run-onnx.ts';

const x = input('x', 'float32', [3]);
const feeds = { x: tensor([3], [1, -2, 3]) };
const values = async (outputs: Record<string, Value>): Promise<Record<string, number[]>> =>
  Object.fromEntries(
    Object.entries(await runOnnx(graphOf(outputs), feeds)).map(([name, t]) => [name, [...t.data]]),
  );

/** Raw fields of a message. */
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
const graphField = (bytes: Uint8Array, field: number): Uint8Array[] =>
  fieldsOf(fieldsOf(bytes).find(([f]) => f === 7)![1] as Uint8Array)
    .filter(([f]) => f === field)
    .map(([, v]) => v as Uint8Array);

describe('onnxModel', () => {
  it('names inputs and outputs as it is told, also where they are inputs, constants or each other', async () => {
    const y = mul(x, 2);
    expect(
      await values({ y, again: y, same: x, fixed: add(constant([5, 6]), 0), bare: constant(7) }),
    ).toEqual({ y: [2, -4, 6], again: [2, -4, 6], same: [1, -2, 3], fixed: [5, 6], bare: [7] });
  });

  it('keeps an input that nothing uses, when it is listed', async () => {
    const session = await InferenceSession.create(
      encodeOnnxModel(graphOf({ y: mul(x, 2) }, [input('idle', 'int64', [2]), x])),
    );
    expect(session.inputNames).toEqual(['idle', 'x']);
  });

  it.each(['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'bool'] as const)(
    'writes constants of %s',
    async (dtype) => {
      const numbers = dtype === 'bool' ? [1, 0, 1] : [1, -2, 96];
      expect((await values({ y: cast(constant(numbers, dtype), 'float32'), n: x })).y).toEqual(numbers);
    },
  );

  it('writes equal constants once, and a constant by key only when it is needed', () => {
    let made = 0;
    const big = (): Value =>
      lazyConstant('ramp', 'float32', [3], () => {
        made++;
        return [1, 2, 3];
      });
    const a = big();
    const graph = graphOf({ y: add(add(add(x, a), big()), mul(mul(x, 0.5), 0.5)) });
    expect(made).toBe(0);
    expect(graphField(encodeOnnxModel(graph), 5)).toHaveLength(2);
    expect(made).toBe(1);
  });

  it('gives the same bytes for the same graph, whatever was built before', () => {
    const build = (): Uint8Array => {
      const v = input('v', 'float32', [2, 2]);
      return encodeOnnxModel(graphOf({ y: silu(matmul(v, mul(v, 3), { transB: true })) }));
    };
    const first = build();
    mul(x, 5);
    expect(build()).toEqual(first);
  });

  it('imports the contrib domain only when it is used', () => {
    const opsets = (v: Value): number =>
      fieldsOf(encodeOnnxModel(graphOf({ v }))).filter(([f]) => f === 8).length;
    expect([opsets(mul(x, 2)), opsets(silu(x))]).toEqual([1, 2]);
  });

  it('turns inputs into initializers: bytes inside, or a range of a file beside the model', async () => {
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

describe('adding rows', () => {
  it('loses no update where thousands name the same row, on several threads', async () => {
    const into = input('into', 'float32', [4, 64]);
    const rows = input('rows', 'int64', [4096]);
    const updates = input('updates', 'float32', [4096, 64]);
    const session = await InferenceSession.create(
      encodeOnnxModel(graphOf({ y: scatterAddRows(into, rows, updates) })),
      { intraOpNumThreads: 4 },
    );
    const fed = {
      into: new OrtTensor('float32', new Float32Array(256), [4, 64]),
      rows: new OrtTensor(
        'int64',
        BigInt64Array.from({ length: 4096 }, (_, i) => BigInt(i % 3)),
        [4096],
      ),
      updates: new OrtTensor('float32', new Float32Array(4096 * 64).fill(1), [4096, 64]),
    };
    for (let turn = 0; turn < 20; turn++) {
      const sums = (await session.run(fed)).y!.data as Float32Array;
      expect([0, 1, 2, 3].map((row) => [...new Set(sums.subarray(row * 64, row * 64 + 64))])).toEqual([
        [1366],
        [1365],
        [1365],
        [0],
      ]);
    }
  });
});

describe('lowered', () => {
  it('writes fused rows as plain ones for a provider without them, and leaves the others', () => {
    const batch = input('b', 'float32', [2, 3, 3]);
    const graph = graphOf({ y: matmul(batch, batch, { transB: true, alpha: 0.5 }) });
    const names = (provider: 'cpu' | 'webgpu'): string[] =>
      nodesOf(Object.values(lowerGraph(graph, provider).outputs)).map((n) => n.op.name);
    expect(names('cpu')).toEqual(['MatMul']);
    expect(names('webgpu')).toEqual(['Transpose', 'MatMul', 'Mul']);
  });
});
