/** @file The CUDA driver: loads machine code and launches kernels, on the context that ONNX Runtime uses too. */
import koffi from 'koffi';
import { refuse } from '../../base/errors.ts';
import { driverLibrary } from '../../store/gpu/packages.ts';
import { outParameter, readString } from './api.ts';
import { numberDevicesByBus } from './cuda-libraries.ts';
import type { Pointer } from './library.ts';

type NativeFunction = (...args: unknown[]) => number;

/** The functions that we call, by the types of their arguments. All return a CUresult. */
const functions = {
  cuInit: ['uint32_t'],
  cuDriverGetVersion: ['void *'],
  cuDeviceGet: ['void *', 'int32_t'],
  cuDeviceGetAttribute: ['void *', 'int32_t', 'int32_t'],
  cuDevicePrimaryCtxRetain: ['void *', 'int32_t'],
  cuCtxSetCurrent: ['void *'],
  cuModuleLoadData: ['void *', 'void *'],
  cuModuleGetFunction: ['void *', 'void *', 'str'],
  cuFuncSetAttribute: ['void *', 'int32_t', 'int32_t'],
  cuLaunchKernel: ['void *', ...Array<string>(7).fill('uint32_t'), 'void *', 'void *', 'void *'],
  cuGetErrorString: ['int32_t', 'void *'],
} as const;
type Bound = Readonly<Record<keyof typeof functions, NativeFunction>>;

/** Values of CUdevice_attribute and CUfunction_attribute. */
const attributes = { major: 75, minor: 76, dynamicShared: 8 } as const;

/** Dynamic shared memory beyond which a kernel must ask for it. */
const usualSharedBytes = 48 * 1024;

/** A kernel that is loaded on the device. */
export interface LoadedKernel {
  readonly name: string;
  readonly function: Pointer;
}

export interface LaunchShape {
  readonly grid: readonly [number, number, number];
  readonly threads: number;
  readonly sharedBytes: number;
}

export interface CudaDriver {
  /** The device's architecture, such as `sm_90`. */
  readonly architecture: string;
  /** As cuDriverGetVersion reports it. */
  readonly version: number;
  /** Loads a kernel. It stays loaded as long as the process. Throws `kernel/launch`. */
  load(name: string, code: Uint8Array, sharedBytes: number): LoadedKernel;
  /**
   * Adds a launch to a stream. `parameters` has the address of each parameter; the driver copies them before it
   * returns. Throws `kernel/launch`.
   */
  launch(kernel: LoadedKernel, shape: LaunchShape, stream: Pointer | null, parameters: BigUint64Array): void;
}

let opened: CudaDriver | undefined;

/** Opens the driver and the first device. Throws `engine/no-device`. */
export function openCudaDriver(): CudaDriver {
  opened ??= bindDriver();
  return opened;
}

function bindDriver(): CudaDriver {
  numberDevicesByBus();
  let cuda: Bound;
  try {
    const handle = koffi.load(driverLibrary);
    cuda = Object.fromEntries(
      Object.entries(functions).map(([name, types]) => [name, handle.func(name, 'int', [...types])]),
    ) as unknown as Bound;
  } catch (error) {
    return refuse('engine/no-device', { device: 'cuda', why: (error as Error).message });
  }
  const check = (kernel: string, status: number): void => {
    if (status === 0) return;
    const text = outParameter();
    cuda.cuGetErrorString(status, text);
    refuse('kernel/launch', { kernel, why: text[0] ? readString(text[0]) : `error ${status}` });
  };
  const integer = (kernel: string, read: (out: Int32Array) => number): number => {
    const out = new Int32Array(1);
    check(kernel, read(out));
    return out[0]!;
  };
  check('cuInit', cuda.cuInit(0));
  const device = integer('cuDeviceGet', (out) => cuda.cuDeviceGet(out, 0));
  const attribute = (id: number): number =>
    integer('cuDeviceGetAttribute', (out) => cuda.cuDeviceGetAttribute(out, id, device));
  const context = outParameter();
  check('cuDevicePrimaryCtxRetain', cuda.cuDevicePrimaryCtxRetain(context, device));
  return {
    architecture: `sm_${attribute(attributes.major)}${attribute(attributes.minor)}`,
    version: integer('cuDriverGetVersion', (out) => cuda.cuDriverGetVersion(out)),
    load(name, code, sharedBytes) {
      const [module_, kernel] = [outParameter(), outParameter()];
      check(name, cuda.cuCtxSetCurrent(context[0]));
      check(name, cuda.cuModuleLoadData(module_, code));
      check(name, cuda.cuModuleGetFunction(kernel, module_[0], name));
      if (sharedBytes > usualSharedBytes)
        check(name, cuda.cuFuncSetAttribute(kernel[0], attributes.dynamicShared, sharedBytes));
      return { name, function: kernel[0]! };
    },
    launch({ name, function: kernel }, { grid: [x, y, z], threads, sharedBytes }, stream, parameters) {
      cuda.cuCtxSetCurrent(context[0]);
      check(name, cuda.cuLaunchKernel(kernel, x, y, z, threads, 1, 1, sharedBytes, stream, parameters, null));
    },
  };
}
