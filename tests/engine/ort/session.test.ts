import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { openSession, type Session } from '../../../src-main/engine/ort/session.ts';
import { dtypes, downcast, upcast, type DType } from '../../../src-main/tensor/dtype.ts';
import { onnxModel, type Model } from '../../support/onnx-model.ts';

const f32 = (...shape: (number | string)[]): { dtype: DType; shape: (number | string)[] } => ({
  dtype: 'float32',
  shape,
});
const floats = (values: readonly number[], shape: readonly number[] = [values.length]): DeviceTensor =>
  DeviceTensor.fromArray(Float32Array.from(values), 'float32', shape);
const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

async function using<T>(model: Model | string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(typeof model === 'string' ? model : onnxModel(model), 'cpu');
  try {
    return await work(session);
  } finally {
    await session.dispose();
  }
}

/** `next = state - 0.1 * gradient`. */
const descent: Model = {
  inputs: { state: f32('n'), gradient: f32('n') },
  outputs: { next: f32('n') },
  nodes: [
    { op: 'Mul', in: ['gradient', 'rate'], out: ['step'] },
    { op: 'Sub', in: ['state', 'step'], out: ['next'] },
  ],
  constants: { rate: { dtype: 'float32', shape: [], bytes: bytesOf(0.1) } },
};
/** `y = x · x · … · x`, `times` times over. */
const powers = (size: number, times: number): Model => ({
  inputs: { x: f32(size, size) },
  outputs: { y: f32(size, size) },
  nodes: Array.from({ length: times }, (_, i) => ({
    op: 'MatMul',
    in: [i ? `p${i}` : 'x', 'x'],
    out: [i === times - 1 ? 'y' : `p${i + 1}`],
  })),
});

test('multiplies matrices and lists the names of inputs and outputs', async () => {
  await using(
    {
      inputs: { a: f32(2, 3), b: f32(3, 2) },
      outputs: { c: f32(2, 2) },
      nodes: [{ op: 'MatMul', in: ['a', 'b'], out: ['c'] }],
    },
    async (session) => {
      expect([session.inputs, session.outputs]).toEqual([['a', 'b'], ['c']]);
      const c = (
        await session.run(
          { a: floats([1, 2, 3, 4, 5, 6], [2, 3]), b: floats([1, 0, 0, 1, 1, 1], [3, 2]) },
          { c: 'host' },
        )
      ).get('c')!;
      expect(c).toMatchObject({ shape: [2, 2], dtype: 'float32', device: 'cpu' });
      expect([...c.values('float32')]).toEqual([4, 5, 10, 11]);
      c.dispose();
    },
  );
});

describe.each(Object.keys(dtypes) as DType[])('%s', (dtype) => {
  test('passes through unchanged', () =>
    using(
      {
        inputs: { x: { dtype, shape: ['n'] } },
        outputs: { y: { dtype, shape: ['n'] } },
        nodes: [{ op: 'Identity', in: ['x'], out: ['y'] }],
      },
      async (session) => {
        const bytes = Uint8Array.from({ length: 5 * dtypes[dtype].bytes }, (_, i) => i % 2);
        const y = (await session.run({ x: DeviceTensor.fromArray(bytes, dtype, [5]) }, { y: 'host' })).get(
          'y',
        )!;
        expect(y).toMatchObject({ dtype, shape: [5] });
        expect(y.bytes()).toEqual(bytes);
      },
    ));
  test('is cast from float32 and back', () =>
    using(
      {
        inputs: { x: f32('n') },
        outputs: { z: { dtype, shape: ['n'] }, y: f32('n') },
        nodes: [
          { op: 'Cast', in: ['x'], out: ['z'], attributes: { to: dtypes[dtype].onnx } },
          { op: 'Cast', in: ['z'], out: ['y'], attributes: { to: 1 } },
        ],
      },
      async (session) => {
        const values =
          dtype === 'bool'
            ? [0, 1, 1]
            : dtype.startsWith('int')
              ? [-3, 0, 120]
              : [1.00390625 + 2 ** -9, -3.14159, 65000];
        const out = await session.run({ x: floats(values) }, { y: 'host', z: 'host' });
        const rounded =
          dtype === 'bfloat16' || dtype === 'float16'
            ? downcast(Float32Array.from(values), dtype)
            : undefined;
        if (rounded) expect(out.get('z')!.bytes()).toEqual(rounded);
        expect(out.get('y')!.values('float32')).toEqual(
          rounded ? upcast(rounded, dtype as 'float16') : Float32Array.from(values),
        );
      },
    ));
});

test('an update in place gives the same values as one into new memory', () =>
  using(descent, async (session) => {
    const start = [1, -2, 3.5, 1e-3];
    const gradient = floats([0.5, -1, 2, 3]);
    const state = floats(start);
    let other = floats(start);
    for (let step = 0; step < 25; step++) {
      const bound = await session.run({ state, gradient }, { next: state });
      expect(bound.get('next')).toBe(state);
      const next = (
        await session.run(
          new Map([
            ['state', other],
            ['gradient', gradient],
          ]),
          { next: 'device' },
        )
      ).get('next')!;
      other.dispose();
      other = next;
    }
    expect(state.bytes()).toEqual(other.bytes());
    expect(state.values('float32')[0]).toBeCloseTo(1 - 25 * 0.05, 5);
  }));

test('returns only the fetched outputs', () =>
  using(
    {
      inputs: { x: f32(4) },
      outputs: { y: f32(4), z: f32(4) },
      nodes: [
        { op: 'Neg', in: ['x'], out: ['y'] },
        { op: 'Abs', in: ['x'], out: ['z'] },
      ],
    },
    async (session) => {
      const out = await session.run({ x: floats([1, -2, 3, -4]) }, { z: 'host' });
      expect([...out].map(([name, tensor]) => [name, ...tensor.values('float32')])).toEqual([
        ['z', 1, 2, 3, 4],
      ]);
    },
  ));

test('a long run does not block the event loop', () =>
  using(powers(900, 12), async (session) => {
    const x = DeviceTensor.allocate('float32', [900, 900]);
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
    }, 5);
    (await session.run({ x }, { y: 'device' })).get('y')!.dispose();
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2); // a blocked loop has one or none
  }));

test('runs of one session are executed in order while another session runs', async () => {
  const model = onnxModel(descent);
  const [one, two] = await Promise.all([
    openSession(model, 'cpu', { threads: 1 }),
    openSession(model, 'cpu', { threads: 1 }),
  ]);
  const states = [floats([0]), floats([0])];
  const gradient = floats([1]);
  await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      [one, two][i % 2]!.run({ state: states[i % 2]!, gradient }, { next: states[i % 2]! }),
    ),
  );
  for (const state of states) expect(state.values('float32')[0]).toBeCloseTo(-10, 4);
  await Promise.all([one.dispose(), two.dispose()]);
});

describe('explains', () => {
  test('bytes that are not a model', () =>
    expect(openSession(Uint8Array.of(1, 2, 3), 'cpu')).rejects.toMatchObject({
      code: 'engine/runtime',
      detail: { call: 'CreateSessionFromArray' },
    }));
  test('a missing file', () => expect(openSession('no/such.onnx', 'cpu')).rejects.toThrow(/no\/such\.onnx/));
  test('an unknown operator', () =>
    expect(
      openSession(onnxModel({ ...descent, nodes: [{ op: 'Wonder', in: ['state'], out: ['next'] }] }), 'cpu'),
    ).rejects.toThrow(/Wonder/));
  test('an input of the wrong shape', () =>
    using(
      { inputs: { x: f32(2, 3) }, outputs: { y: f32(2, 3) }, nodes: [{ op: 'Neg', in: ['x'], out: ['y'] }] },
      (session) =>
        expect(session.run({ x: floats([1, 2, 3, 4]) }, { y: 'host' })).rejects.toMatchObject({
          code: 'engine/runtime',
          message: expect.stringMatching(/rank|dimension/i) as string,
        }),
    ));
  test('a missing input and an unknown output', () =>
    using(descent, async (session) => {
      const feeds = { state: floats([1]), gradient: floats([1]) };
      await expect(session.run({ state: floats([1]) }, { next: 'host' })).rejects.toMatchObject({
        code: 'engine/runtime',
      });
      await expect(session.run(feeds, { other: 'host' })).rejects.toThrow(/other/);
      // a failed run does not affect the next
      expect((await session.run(feeds, { next: 'host' })).size).toBe(1);
    }));
  test('an allocation that is too large', () =>
    using(
      {
        inputs: { shape: { dtype: 'int64', shape: [1] } },
        outputs: { y: f32('n') },
        nodes: [{ op: 'ConstantOfShape', in: ['shape'], out: ['y'] }],
      },
      (session) =>
        expect(
          session.run(
            { shape: DeviceTensor.fromArray(BigInt64Array.of(1n << 50n), 'int64', [1]) },
            { y: 'host' },
          ),
        ).rejects.toMatchObject({ code: 'engine/out-of-memory', detail: { device: 'cpu' } }),
    ));
});

describe('dispose', () => {
  test('of a session waits for its runs, keeps its outputs and refuses new runs', async () => {
    const session = await openSession(onnxModel(powers(300, 8)), 'cpu');
    const x = DeviceTensor.allocate('float32', [300, 300]);
    const run = session.run({ x }, { y: 'device' });
    const disposed = session.dispose();
    x.dispose();
    const y = (await run).get('y')!;
    await disposed;
    expect(y.values('float32')[0]).toBe(0);
    y.dispose();
    await expect(session.run({}, {})).rejects.toThrow(/disposed/);
    await session.dispose();
  });
  test('of a tensor makes a run that reads it fail', () =>
    using(descent, async (session) => {
      const state = floats([1]);
      state.dispose();
      await expect(session.run({ state, gradient: floats([1]) }, { next: 'host' })).rejects.toThrow(
        /disposed/,
      );
    }));
  test('frees all memory', async () => {
    const bytes = new Uint8Array(4 << 20);
    const shape = [1 << 20];
    const model = onnxModel({
      inputs: { x: f32(...shape) },
      outputs: { y: f32(...shape) },
      nodes: [{ op: 'Add', in: ['x', 'w'], out: ['y'] }],
      constants: { w: { dtype: 'float32', shape, bytes } },
    });
    const once = async (): Promise<void> => {
      const session = await openSession(model, 'cpu', { threads: 1 });
      const x = DeviceTensor.allocate('float32', shape);
      (await session.run({ x }, { y: 'device' })).get('y')!.dispose();
      x.dispose();
      await session.dispose();
    };
    for (let i = 0; i < 50; i++) await once();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 200; i++) await once();
    // 200 leaked tensors or weights would be 800 MiB
    expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(40);
  });
});

test('reads external weights, writes a profile, and opens a model by its path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cambium-ort-'));
  try {
    writeFileSync(join(folder, 'weights.bin'), Buffer.concat([Buffer.alloc(8), bytesOf(10, 20)]));
    const model = onnxModel({
      inputs: { x: f32(2) },
      outputs: { y: f32(2) },
      nodes: [{ op: 'Add', in: ['x', 'w'], out: ['y'] }],
      constants: {
        w: {
          dtype: 'float32',
          shape: [2],
          bytes: bytesOf(0, 0),
          external: { file: 'weights.bin', offset: 8 },
        },
      },
    });
    writeFileSync(join(folder, 'model.onnx'), model);
    const sessions = [
      await openSession(model, 'cpu', {
        externalFolder: folder,
        profile: join(folder, 'profile'),
        memoryPattern: false,
        arena: false,
        optimization: 'none',
      }),
      await openSession(join(folder, 'model.onnx'), 'cpu', {
        config: { 'session.intra_op.allow_spinning': '0' },
      }),
    ];
    for (const session of sessions)
      expect([
        ...(await session.run({ x: floats([1, 2]) }, { y: 'host' })).get('y')!.values('float32'),
      ]).toEqual([11, 22]);
    expect(readFileSync(sessions[0]!.endProfile(), 'utf8')).toContain('"op_name" : "Add"');
    for (const session of sessions) await session.dispose();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
