/** @file Sessions and tensors on an accelerator, with ONNX models that are written by hand. */
import { describe, expect, test } from 'vitest';
import { DeviceTensor } from '../../src-main/engine/ort/device-tensor.ts';
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';
import { openSession } from '../../src-main/engine/ort/session.ts';
import { dtypes, type DType } from '../../src-main/tensor/dtype.ts';
import { onnxModel, type Model, type ModelConstant, type ModelValue } from '../support/onnx-model.ts';

const float32 = (...shape: (number | string)[]): ModelValue => ({
  dtype: 'float32',
  shape,
});
const int64s = (...values: number[]): ModelConstant => ({
  dtype: 'int64',
  shape: [values.length],
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
/** Element types that each kind of device can store. */
const storableTypes: Readonly<Record<string, readonly DType[]>> = {
  webgpu: ['float32', 'float16', 'int32'],
  cuda: ['float32', 'float16', 'bfloat16', 'float64', 'int32', 'int64', 'bool'],
};

for (const kind of ['webgpu', 'cuda'] as const) {
  const device: Device | Error = await openDevice(kind).catch((error: unknown) => error as Error);
  if (device instanceof Error) {
    console.log(`skipped: ${device.message}`);
    test.skip(`${kind}: ${device.message}`, () => undefined);
    continue;
  }
  console.log(`${kind}: ${device.name}`);

  describe(kind, () => {
    test.each(Object.keys(dtypes) as DType[])('uploads and downloads %s, or refuses it', async (dtype) => {
      const bytes = Uint8Array.from({ length: 24 * dtypes[dtype].bytes }, (_, i) => i % 2);
      if (!storableTypes[kind]!.includes(dtype)) {
        await expect(device.upload(bytes, dtype, [4, 6])).rejects.toMatchObject({
          code: 'engine/other-device',
          detail: { asked: kind, got: 'cpu (Identity)' },
        });
        return;
      }
      const uploaded = await device.upload(bytes, dtype, [4, 6]);
      expect(uploaded).toMatchObject({ device: kind, dtype, shape: [4, 6] });
      expect(() => uploaded.bytes()).toThrow(/download/);
      expect(await device.download(uploaded)).toEqual(bytes);
      uploaded.dispose();
    });

    test("keeps an update in place on the device and gives the host's result", async () => {
      const model = onnxModel({
        inputs: { state: float32(64), gradient: float32(64) },
        outputs: { next: float32(64) },
        nodes: [
          { op: 'Mul', in: ['gradient', 'rate'], out: ['step'] },
          { op: 'Sub', in: ['state', 'step'], out: ['next'] },
        ],
        constants: {
          rate: { dtype: 'float32', shape: [], bytes: new Uint8Array(Float32Array.of(0.125).buffer) },
        },
      });
      const session = await device.openSession(model);
      const start = Float32Array.from({ length: 64 }, (_, i) => i);
      const gradient = DeviceTensor.fromArray(
        Float32Array.from(start, (v) => v % 5),
        'float32',
        [64],
      );
      const state = await device.upload(start, 'float32', [64]);
      for (let step = 0; step < 16; step++) await session.run({ state, gradient }, { next: state });
      expect(session.hostNodes).toEqual([]);
      expect(state.device).toBe(kind);
      expect(new Float32Array((await device.download(state)).buffer as ArrayBuffer)).toEqual(
        start.map((v) => v - 16 * 0.125 * (v % 5)),
      );
      const results = await session.run({ state, gradient }, { next: 'host' });
      expect(results.get('next')!.device).toBe('cpu');
    });

    test('gathers rows by int32 indices', async () => {
      const session = await device.openSession(
        onnxModel({
          inputs: { table: float32(3, 2), rows: { dtype: 'int32', shape: ['n'] } },
          outputs: { y: float32('n', 2) },
          nodes: [{ op: 'Gather', in: ['table', 'rows'], out: ['y'] }],
        }),
      );
      const y = await session.run(
        {
          table: DeviceTensor.fromArray(Float32Array.of(0, 1, 2, 3, 4, 5), 'float32', [3, 2]),
          rows: DeviceTensor.fromArray(Int32Array.of(2, 0), 'int32', [2]),
        },
        { y: 'host' },
      );
      expect([...y.get('y')!.values('float32')]).toEqual([4, 5, 0, 1]);
    });

    test('refuses operators that would run on the host, unless they are allowed by name', async () => {
      const model: Model = {
        // ONNX Runtime computes the sizes of a Reshape on the host.
        inputs: { x: float32('a', 'b') },
        outputs: { y: float32('c', 'd') },
        constants: { first: int64s(0), rest: int64s(-1) },
        nodes: [
          { op: 'Shape', in: ['x'], out: ['shape'] },
          { op: 'Gather', in: ['shape', 'first'], out: ['rows'] },
          { op: 'Concat', in: ['rows', 'rest'], out: ['sizes'], attributes: { axis: 0 } },
          { op: 'Reshape', in: ['x', 'sizes'], out: ['flat'] },
          { op: 'Neg', in: ['flat'], out: ['y'] },
        ],
      };
      await expect(device.openSession(onnxModel(model))).rejects.toMatchObject({
        code: 'engine/other-device',
        detail: { asked: kind, got: 'cpu (Gather, Concat)' },
      });
      await expect(device.openSession(onnxModel(model), { hostOps: ['Concat'] })).rejects.toMatchObject({
        detail: { got: 'cpu (Gather)' },
      });
      const session = await device.openSession(onnxModel(model), { hostOps: ['Gather', 'Concat'] });
      expect([...session.hostNodes].sort()).toEqual(['Concat', 'Gather']);
      const out = await session.run(
        { x: DeviceTensor.fromArray(Float32Array.of(1, 2), 'float32', [1, 2]) },
        { y: 'host' },
      );
      expect([...out.get('y')!.values('float32')]).toEqual([-1, -2]);
    });

    test('keeps outputs after their session is disposed, and opens the device again', async () => {
      const session = await openSession(
        onnxModel({
          inputs: { x: float32(4) },
          outputs: { y: float32(4) },
          nodes: [{ op: 'Neg', in: ['x'], out: ['y'] }],
        }),
        kind,
      );
      const y = (
        await session.run(
          { x: DeviceTensor.fromArray(Float32Array.of(1, 2, 3, 4), 'float32', [4]) },
          { y: 'device' },
        )
      ).get('y')!;
      await session.dispose();
      expect([...new Float32Array((await device.download(y)).buffer)]).toEqual([-1, -2, -3, -4]);
      y.dispose();
      await device.dispose();
      const again = await openDevice(kind);
      expect(again.kind).toBe(kind);
      await again.dispose();
    });
  });
}
