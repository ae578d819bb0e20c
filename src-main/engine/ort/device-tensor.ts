/**
 * @file A tensor in host or device memory. It owns an OrtValue, and its backing array if there is one, until it
 * is disposed of.
 */
import { refuse } from '../../base/errors.ts';
import { byteLengthOf, dtypes, type DType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { getAllocator, api, outParameter, getPointer, RefCount, nativeMemory, readString } from './api.ts';
import type { Pointer } from './library.ts';

/** `cuda` is an NVIDIA GPU, `webgpu` any GPU. */
export const deviceKinds: readonly DeviceKind[] = ['cpu', 'cuda', 'webgpu'];

/** ONNX Runtime's name of each device's memory. */
const memoryNames: Readonly<Record<DeviceKind, string>> = { cpu: 'Cpu', webgpu: 'WebGPU_Buf', cuda: 'Cuda' };
const memoryInfos = new Map<DeviceKind, Pointer>();

/** Returns the OrtMemoryInfo of a device's memory. It is never freed. */
export function getMemoryInfo(device: DeviceKind): Pointer {
  const existing = memoryInfos.get(device);
  if (existing) return existing;
  const info = getPointer((out) => {
    api().CreateMemoryInfo(memoryNames[device], 0, 0, 0, out);
  });
  memoryInfos.set(device, info);
  return info;
}

/** The array type of each dtype's values. float16 and bfloat16 are raw bits; bool is 0 or 1. */
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

/** A tensor in the memory of `device`. Using it after `dispose` throws `engine/runtime`. */
export class DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly device: DeviceKind;
  readonly #ortValue: Pointer;
  readonly #refCount: RefCount;
  #disposed = false;

  /**
   * Takes ownership of `ortValue`. `backing` is kept alive as long as the tensor; `onFreed` is called when
   * the memory has been freed.
   */
  constructor(ortValue: Pointer, backing?: unknown, onFreed?: () => void) {
    this.#ortValue = ortValue;
    this.#refCount = new RefCount(() => {
      api().ReleaseValue(ortValue);
      backings.delete(this);
      onFreed?.();
    });
    if (backing) backings.set(this, backing);
    const { dtype, shape } = readTypeAndShape(ortValue);
    this.dtype = dtype;
    this.shape = shape;
    this.device = readDevice(ortValue);
  }

  /** A host tensor that shares the memory of `data` (bytes or values), like torch.from_numpy. */
  static fromArray(data: NodeJS.TypedArray, dtype: DType, shape: readonly number[]): DeviceTensor {
    const bytes = byteLengthOf(dtype, countElements(shape));
    if (data.byteLength !== bytes)
      throwMisuse(`${dtype} [${shape.join(', ')}] takes ${bytes} bytes, not ${data.byteLength}`);
    if (data.byteOffset % dtypes[dtype].bytes)
      throwMisuse(`${dtype} values at the unaligned offset ${data.byteOffset}`);
    const memory = bytes ? data : new Uint8Array(8); // an empty array has no address
    const value = getPointer((out) => {
      api().CreateTensorWithDataAsOrtValue(
        getMemoryInfo('cpu'),
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

  /** A host tensor in new memory outside of JavaScript's heap: a copy of `data`, or zeros. */
  static allocate(dtype: DType, shape: readonly number[], data?: NodeJS.TypedArray): DeviceTensor {
    const bytes = byteLengthOf(dtype, countElements(shape));
    if (data && data.byteLength !== bytes)
      throwMisuse(`${dtype} [${shape.join(', ')}] takes ${bytes} bytes, not ${data.byteLength}`);
    const value = getPointer((out) => {
      api().CreateTensorAsOrtValue(
        getAllocator(),
        BigInt64Array.from(shape, BigInt),
        shape.length,
        dtypes[dtype].onnx,
        out,
      );
    });
    if (data) nativeMemory.copy(getDataPointer(value), data, bytes);
    else nativeMemory.fill(getDataPointer(value), 0, bytes);
    return new DeviceTensor(value);
  }

  /** Number of elements. */
  get count(): number {
    return countElements(this.shape);
  }

  /** A copy of the bytes of a host tensor, little-endian. For other devices, see `Device.download`. */
  bytes(): Uint8Array {
    if (this.device !== 'cpu') throwMisuse(`the bytes of a tensor on ${this.device} are read by download`);
    const out = new Uint8Array(byteLengthOf(this.dtype, this.count));
    nativeMemory.copy(out, getDataPointer(this.ortValue), out.byteLength);
    return out;
  }

  /** A copy of the values of a host tensor, in the array type of `dtype`. */
  values<D extends DType>(dtype: D): Values<D> {
    if (dtype !== this.dtype) throwMisuse(`values of ${this.dtype} read as ${dtype}`);
    return new arrays[dtype](this.bytes().buffer as ArrayBuffer) as Values<D>;
  }

  /** Frees the memory once no run uses it any more. May be called again. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#refCount.release();
  }

  /** The OrtValue, for the other files of this folder. */
  get ortValue(): Pointer {
    return this.#disposed ? throwDisposed() : this.#ortValue;
  }

  /** Keeps the memory until the returned function is called, so that a run can outlive `dispose`. */
  retain(): () => void {
    if (this.#disposed) throwDisposed();
    this.#refCount.retain();
    return () => {
      this.#refCount.release();
    };
  }
}

/**
 * The backing arrays of the tensors that are not freed yet. Without this map an array could be collected while
 * ONNX Runtime still reads it.
 */
const backings = new Map<DeviceTensor, unknown>();

const throwMisuse = (message: string): never => refuse('engine/runtime', { call: 'a tensor', message });
const throwDisposed = (): never => throwMisuse('a tensor was used after it was disposed of');
const getDataPointer = (value: Pointer): Pointer =>
  getPointer((out) => {
    api().GetTensorMutableData(value, out);
  });

function readDevice(value: Pointer): DeviceKind {
  const info = getPointer((out) => {
    api().GetTensorMemoryInfo(value, out);
  });
  const name = readString(
    getPointer((out) => {
      api().MemoryInfoGetName(info, out);
    }),
  );
  return deviceKinds.find((kind) => memoryNames[kind] === name) ?? throwMisuse(`unknown memory ${name}`);
}

function readTypeAndShape(value: Pointer): { readonly dtype: DType; readonly shape: readonly number[] } {
  const info = getPointer((out) => {
    api().GetTensorTypeAndShape(value, out);
  });
  try {
    const type = new Int32Array(1);
    const rank = outParameter();
    api().GetTensorElementType(info, type);
    api().GetDimensionsCount(info, rank);
    const sizes = new BigInt64Array(Math.max(1, Number(rank[0])));
    api().GetDimensions(info, sizes, Number(rank[0]));
    const dtype =
      (Object.keys(dtypes) as DType[]).find((d) => dtypes[d].onnx === type[0]) ??
      throwMisuse(`unknown element type ${type[0]}`);
    return { dtype, shape: Array.from(sizes.subarray(0, Number(rank[0])), Number) };
  } finally {
    api().ReleaseTensorTypeAndShapeInfo(info);
  }
}
