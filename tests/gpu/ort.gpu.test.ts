import { describe, expect, test } from 'vitest';
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import { openSession } from '../../src-main/engine/ort/session.ts';
import { dtypes, type DType } from '../../src-main/tensor/dtype.ts';
import { onnxModel, type Model } from '../support/onnx-model.ts';

const f32 = (...shape: (number | string)[]): { dtype: DType; shape: (number | string)[] } => ({
  dtype: 'float32',
  shape,
});
const whole = (...values: number[]): { dtype: DType; shape: number[]; bytes: Uint8Array } => ({
  dtype: 'int64',
  shape: [values.length],
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
/** Element types that each can store. */
const stores: Readonly<Record<string, readonly DType[]>> = {
  webgpu: ['float32', 'float16', 'int32'],
  cuda: ['float32', 'float16', 'bfloat16', 'float64', 'int32', 'int64', 'bool'],
};

for (const kind of ['webgpu', 'cuda'] as const) {
  const opened: Device | Error = await openDevice(kind).catch((error: unknown) => error as Error);
  if (opened instanceof Error) {
    console.log(`skipped: ${opened.message}`);
    test.skip(`${kind}: ${opened.message}`, () => undefined);
    continue;
  }
  console.log(`${kind}: ${opened.name}`);

  describe(kind, () => {
    test.each(Object.keys(dtypes) as DType[])('%s goes up and comes down, or is refused', async (dtype) => {
      const bytes = Uint8Array.from({ length: 24 * dtypes[dtype].bytes }, (_, i) => i % 2);
      if (!stores[kind]!.includes(dtype)) {
        await expect(opened.upload(bytes, dtype, [4, 6])).rejects.toMatchObject({
          code: 'engine/other-device',
          detail: { asked: kind, got: 'cpu (Identity)' },
        });
        return;
      }
      const there = await opened.upload(bytes, dtype, [4, 6]);
      expect(there).toMatchObject({ device: kind, dtype, shape: [4, 6] });
      expect(() => there.bytes()).toThrow(/download/);
      expect(await opened.download(there)).toEqual(bytes);
      there.dispose();
    });

    test("an update in place stays on the device and equals the host's", async () => {
      const model = onnxModel({
        inputs: { state: f32(64), gradient: f32(64) },
        outputs: { next: f32(64) },
        nodes: [
          { op: 'Mul', in: ['gradient', 'rate'], out: ['step'] },
          { op: 'Sub', in: ['state', 'step'], out: ['next'] },
        ],
        constants: {
          rate: { dtype: 'float32', shape: [], bytes: new Uint8Array(Float32Array.of(0.125).buffer) },
        },
      });
      const session = await opened.session(model);
      const start = Float32Array.from({ length: 64 }, (_, i) => i);
      const gradient = DeviceTensor.over(
        Float32Array.from(start, (v) => v % 5),
        'float32',
        [64],
      );
      const state = await opened.upload(start, 'float32', [64]);
      for (let step = 0; step < 16; step++) await session.run({ state, gradient }, { next: state });
      expect(session.hostNodes).toEqual([]);
      expect(state.device).toBe(kind);
      expect(new Float32Array((await opened.download(state)).buffer as ArrayBuffer)).toEqual(
        start.map((v) => v - 16 * 0.125 * (v % 5)),
      );
      const both = await session.run({ state, gradient }, { next: 'host' });
      expect(both.get('next')!.device).toBe('cpu');
    });

    test('rows are looked up by int32', async () => {
      const session = await opened.session(
        onnxModel({
          inputs: { table: f32(3, 2), rows: { dtype: 'int32', shape: ['n'] } },
          outputs: { y: f32('n', 2) },
          nodes: [{ op: 'Gather', in: ['table', 'rows'], out: ['y'] }],
        }),
      );
      const y = await session.run(
        {
          table: DeviceTensor.over(Float32Array.of(0, 1, 2, 3, 4, 5), 'float32', [3, 2]),
          rows: DeviceTensor.over(Int32Array.of(2, 0), 'int32', [2]),
        },
        { y: 'host' },
      );
      expect([...y.get('y')!.values('float32')]).toEqual([4, 5, 0, 1]);
    });

    test('work that would land on the host is refused, unless allowed by name', async () => {
      const model: Model = {
        // a Reshape whose sizes are computed: ONNX Runtime does that on the host
        inputs: { x: f32('a', 'b') },
        outputs: { y: f32('c', 'd') },
        constants: { first: whole(0), rest: whole(-1) },
        nodes: [
          { op: 'Shape', in: ['x'], out: ['shape'] },
          { op: 'Gather', in: ['shape', 'first'], out: ['rows'] },
          { op: 'Concat', in: ['rows', 'rest'], out: ['sizes'], attributes: { axis: 0 } },
          { op: 'Reshape', in: ['x', 'sizes'], out: ['flat'] },
          { op: 'Neg', in: ['flat'], out: ['y'] },
        ],
      };
      await expect(opened.session(onnxModel(model))).rejects.toMatchObject({
        code: 'engine/other-device',
        detail: { asked: kind, got: 'cpu (Gather, Concat)' },
      });
      await expect(opened.session(onnxModel(model), { hostOps: ['Concat'] })).rejects.toMatchObject({
        detail: { got: 'cpu (Gather)' },
      });
      const session = await opened.session(onnxModel(model), { hostOps: ['Gather', 'Concat'] });
      expect([...session.hostNodes].sort()).toEqual(['Concat', 'Gather']);
      const out = await session.run(
        { x: DeviceTensor.over(Float32Array.of(1, 2), 'float32', [1, 2]) },
        { y: 'host' },
      );
      expect([...out.get('y')!.values('float32')]).toEqual([-1, -2]);
    });

    test('outputs outlive the session that made them, and the device opens again', async () => {
      const session = await openSession(
        onnxModel({
          inputs: { x: f32(4) },
          outputs: { y: f32(4) },
          nodes: [{ op: 'Neg', in: ['x'], out: ['y'] }],
        }),
        kind,
      );
      const y = (
        await session.run(
          { x: DeviceTensor.over(Float32Array.of(1, 2, 3, 4), 'float32', [4]) },
          { y: 'device' },
        )
      ).get('y')!;
      await session.dispose();
      expect([...new Float32Array((await opened.download(y)).buffer)]).toEqual([-1, -2, -3, -4]);
      y.dispose();
      await opened.dispose();
      const again = await openDevice(kind);
      expect(again.kind).toBe(kind);
      await again.dispose();
    });
  });
}
