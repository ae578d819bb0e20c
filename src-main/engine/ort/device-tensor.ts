/**
 * @file A tensor on a device or in host memory: owns one OrtValue and whatever lies under it, until it is
 * disposed of.
 */
import { refuse } from '../../base/errors.ts';
import { bytesOf, dtypes, type DType } from '../../tensor/dtype.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { allocator, api, cell, created, Lease, memory, textAt } from './api.ts';
import type { Pointer } from './library.ts';

/** The processor, an NVIDIA GPU through CUDA, any GPU through WebGPU. */
export const deviceKinds: readonly DeviceKind[] = ['cpu', 'cuda', 'webgpu'];

/** ONNX Runtime's name of each device's memory. */
const memoryNames: Readonly<Record<DeviceKind, string>> = { cpu: 'Cpu', webgpu: 'WebGPU_Buf', cuda: 'Cuda' };
const infos = new Map<DeviceKind, Pointer>();

/** The OrtMemoryInfo of a device's memory; lives as long as the process. */
export function memoryOf(device: DeviceKind): Pointer {
  const known = infos.get(device);
  if (known) return known;
  const info = created((out) => {
    api().CreateMemoryInfo(memoryNames[device], 0, 0, 0, out);
  });
  infos.set(device, info);
  return info;
}

/** The array of each dtype's values; bits for the two halves, 0 and 1 for bool. */
const arrays = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;
export type Values<D extends DType = DType> = InstanceType<(typeof arrays)[D]>;

/**
 * A tensor of `shape` and `dtype` in the memory of `device`. Using it after `dispose` throws
 * `engine/runtime`.
 */
export class DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly device: DeviceKind;
  readonly #value: Pointer;
  readonly #lease: Lease;
  #disposed = false;

  /**
   * Takes over `value`; `under` is what must live as long as it does, and `freed` is told when it is gone.
   */
  constructor(value: Pointer, under?: unknown, freed?: () => void) {
    this.#value = value;
    this.#lease = new Lease(() => {
      api().ReleaseValue(value);
      kept.delete(this);
      freed?.();
    });
    if (under) kept.set(this, under);
    ({ dtype: this.dtype, shape: this.shape } = typeOf(value));
    this.device = deviceOf(value);
  }

  /**
   * A host tensor over `data` itself (bytes, or values), not a copy: what is written there later is what a
   * run reads.
   */
  static over(data: NodeJS.TypedArray, dtype: DType, shape: readonly number[]): DeviceTensor {
    const bytes = bytesOf(dtype, count(shape));
    if (data.byteLength !== bytes)
      misused(`${dtype} [${shape.join(', ')}] takes ${bytes} bytes, not ${data.byteLength}`);
    if (data.byteOffset % dtypes[dtype].bytes)
      misused(`${dtype} values at the odd offset ${data.byteOffset}`);
    const memory = bytes ? data : new Uint8Array(8); // an empty array has no address
    const value = created((out) => {
      api().CreateTensorWithDataAsOrtValue(
        memoryOf('cpu'),
        memory,
        bytes,
        BigInt64Array.from(shape, BigInt),
        shape.length,
        dtypes[dtype].onnx,
        out,
      );
    });
    return new DeviceTensor(value, memory);
  }

  /** A host tensor in memory of its own, outside JavaScript's heap: a copy of `data`, or zeros. */
  static host(dtype: DType, shape: readonly number[], data?: NodeJS.TypedArray): DeviceTensor {
    const bytes = bytesOf(dtype, count(shape));
    if (data && data.byteLength !== bytes)
      misused(`${dtype} [${shape.join(', ')}] takes ${bytes} bytes, not ${data.byteLength}`);
    const value = created((out) => {
      api().CreateTensorAsOrtValue(
        allocator(),
        BigInt64Array.from(shape, BigInt),
        shape.length,
        dtypes[dtype].onnx,
        out,
      );
    });
    if (data) memory.copy(dataOf(value), data, bytes);
    else memory.fill(dataOf(value), 0, bytes);
    return new DeviceTensor(value);
  }

  /** Number of elements. */
  get count(): number {
    return count(this.shape);
  }

  /** A copy of the bytes, little-endian; of a host tensor only (`Device.download` brings others here). */
  bytes(): Uint8Array {
    if (this.device !== 'cpu') misused(`the bytes of a tensor on ${this.device} are read by download`);
    const out = new Uint8Array(bytesOf(this.dtype, this.count));
    memory.copy(out, dataOf(this.value), out.byteLength);
    return out;
  }

  /** A copy of the values of a host tensor, in the array that `dtype` names. */
  values<D extends DType>(dtype: D): Values<D> {
    if (dtype !== this.dtype) misused(`values of ${this.dtype} read as ${dtype}`);
    return new arrays[dtype](this.bytes().buffer as ArrayBuffer) as Values<D>;
  }

  /** Lets go of the memory, once no run uses it any more. May be called again. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#lease.drop();
  }

  /** The OrtValue; for the files of this folder. */
  get value(): Pointer {
    return this.#disposed ? misused('a tensor was used after it was disposed of') : this.#value;
  }

  /** Keeps the memory until the function it gives is called; for a run, which outlasts its call. */
  hold(): () => void {
    if (this.#disposed) misused('a tensor was used after it was disposed of');
    this.#lease.hold();
    return () => {
      this.#lease.drop();
    };
  }
}

/**
 * The arrays under living tensors: were one collected, ONNX Runtime would read freed memory. A tensor
 * forgotten undisposed keeps its own.
 */
const kept = new Map<DeviceTensor, unknown>();

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const misused = (message: string): never => refuse('engine/runtime', { call: 'a tensor', message });
const dataOf = (value: Pointer): Pointer =>
  created((out) => {
    api().GetTensorMutableData(value, out);
  });

function deviceOf(value: Pointer): DeviceKind {
  const info = created((out) => {
    api().GetTensorMemoryInfo(value, out);
  });
  const name = textAt(
    created((out) => {
      api().MemoryInfoGetName(info, out);
    }),
  );
  return deviceKinds.find((kind) => memoryNames[kind] === name) ?? misused(`memory named ${name}`);
}

function typeOf(value: Pointer): { dtype: DType; shape: readonly number[] } {
  const info = created((out) => {
    api().GetTensorTypeAndShape(value, out);
  });
  try {
    const type = new Int32Array(1);
    const rank = cell();
    api().GetTensorElementType(info, type);
    api().GetDimensionsCount(info, rank);
    const sizes = new BigInt64Array(Math.max(1, Number(rank[0])));
    api().GetDimensions(info, sizes, Number(rank[0]));
    const dtype =
      (Object.keys(dtypes) as DType[]).find((d) => dtypes[d].onnx === type[0]) ??
      misused(`element type ${type[0]}`);
    return { dtype, shape: Array.from(sizes.subarray(0, Number(rank[0])), Number) };
  } finally {
    api().ReleaseTensorTypeAndShapeInfo(info);
  }
}
