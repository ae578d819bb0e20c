/**
 * @file Binds the functions of ONNX Runtime's C API that we call: their slots in `OrtApi`, their types, and a
 * check of every returned status.
 */
import koffi from 'koffi';
import { createError, type AppError } from '../../base/errors.ts';
import { getLibrary, type Pointer } from './library.ts';

/**
 * The letters of a signature: p pointer (or memory), s string, w path, S array of strings, i 32-bit integer,
 * z size_t.
 */
interface Letters {
  p: Pointer | NodeJS.TypedArray | null;
  s: string;
  w: string;
  S: readonly string[];
  i: number;
  z: number;
}
const types: Readonly<Record<keyof Letters | 'v', string>> = {
  p: 'void *',
  s: 'str',
  w: process.platform === 'win32' ? 'str16' : 'str',
  S: 'const char **',
  i: 'int32_t',
  z: 'size_t',
  v: 'void',
};

/**
 * By name: slot in `OrtApi`, letters of the arguments, and the letter of the result if it is not an
 * OrtStatus. A script counted the slots from `struct OrtApi` in onnxruntime_c_api.h (API version 29); new
 * versions only append.
 */
// The columns are aligned: name, slot, signature.
// prettier-ignore
export const functions = {
  CreateStatus:                                   [0, 'is', 'p'],
  GetErrorMessage:                                [2, 'p', 's'],
  CreateEnv:                                      [3, 'isp'],
  DisableTelemetryEvents:                         [6, 'p'],
  CreateSession:                                  [7, 'pwpp'],
  CreateSessionFromArray:                         [8, 'ppzpp'],
  CreateSessionOptions:                           [10, 'p'],
  SetSessionExecutionMode:                        [13, 'pi'],
  EnableProfiling:                                [14, 'pw'],
  DisableMemPattern:                              [17, 'p'],
  DisableCpuMemArena:                             [19, 'p'],
  SetSessionLogSeverityLevel:                     [22, 'pi'],
  SetSessionGraphOptimizationLevel:               [23, 'pi'],
  SetIntraOpNumThreads:                           [24, 'pi'],
  CreateCustomOpDomain:                           [26, 'sp'],
  CustomOpDomain_Add:                             [27, 'pp'],
  AddCustomOpDomain:                              [28, 'pp'],
  SessionGetInputCount:                           [30, 'pp'],
  SessionGetOutputCount:                          [31, 'pp'],
  SessionGetInputName:                            [36, 'pzpp'],
  SessionGetOutputName:                           [37, 'pzpp'],
  CreateTensorAsOrtValue:                         [48, 'ppzip'],
  CreateTensorWithDataAsOrtValue:                 [49, 'ppzpzip'],
  GetTensorMutableData:                           [51, 'pp'],
  GetTensorElementType:                           [60, 'pp'],
  GetDimensionsCount:                             [61, 'pp'],
  GetDimensions:                                  [62, 'ppz'],
  GetTensorTypeAndShape:                          [65, 'pp'],
  CreateMemoryInfo:                               [68, 'siiip'],
  MemoryInfoGetName:                              [71, 'pp'],
  AllocatorFree:                                  [76, 'pp'],
  GetAllocatorWithDefaultOptions:                 [78, 'p'],
  KernelContext_GetInput:                         [90, 'pzp'],
  KernelContext_GetOutput:                        [91, 'pzpzp'],
  ReleaseStatus:                                  [93, 'p', 'v'],
  ReleaseMemoryInfo:                              [94, 'p', 'v'],
  ReleaseSession:                                 [95, 'p', 'v'],
  ReleaseValue:                                   [96, 'p', 'v'],
  ReleaseTensorTypeAndShapeInfo:                  [99, 'p', 'v'],
  ReleaseSessionOptions:                          [100, 'p', 'v'],
  SessionEndProfiling:                            [110, 'ppp'],
  AddSessionConfigEntry:                          [130, 'pss'],
  RunWithBinding:                                 [133, 'ppp'],
  CreateIoBinding:                                [134, 'pp'],
  ReleaseIoBinding:                               [135, 'p', 'v'],
  BindInput:                                      [136, 'psp'],
  BindOutput:                                     [137, 'psp'],
  BindOutputToDevice:                             [138, 'psp'],
  GetBoundOutputValues:                           [140, 'pppp'],
  KernelContext_GetGPUComputeStream:              [193, 'pp'],
  GetTensorMemoryInfo:                            [194, 'pp'],
  SessionOptionsAppendExecutionProvider_CUDA_V2:  [204, 'pp'],
  CreateCUDAProviderOptions:                      [205, 'p'],
  UpdateCUDAProviderOptions:                      [206, 'pSSz'],
  ReleaseCUDAProviderOptions:                     [208, 'p', 'v'],
  SessionOptionsAppendExecutionProvider:          [216, 'psSSz'],
  Session_GetEpGraphAssignmentInfo:               [407, 'ppp'],
  EpAssignedSubgraph_GetEpName:                   [408, 'pp'],
  EpAssignedSubgraph_GetNodes:                    [409, 'ppp'],
  EpAssignedNode_GetOperatorType:                 [412, 'pp'],
} as const satisfies Record<string, readonly [slot: number, args: string, result?: keyof typeof types]>;

type Table = typeof functions;
type Name = keyof Table;
type Args<T extends string> = T extends `${infer Head extends keyof Letters}${infer Rest}`
  ? [Letters[Head], ...Args<Rest>]
  : [];
type Result<R> = R extends readonly [number, string, 's']
  ? string
  : R extends readonly [number, string, 'p']
    ? Pointer
    : undefined;
type Call<R extends readonly [number, string, string?]> = (...args: Args<R[1]>) => Result<R>;
type StatusName = { [N in Name]: Table[N]['length'] extends 2 ? N : never }[Name];

/**
 * Every function of the table. A status other than OK is thrown as an `AppError`. `callAsync` makes the call
 * on a worker thread.
 */
export type Api = { readonly [N in Name]: Call<Table[N]> } & {
  readonly callAsync: <N extends StatusName>(name: N, ...args: Args<Table[N][1]>) => Promise<void>;
};

interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

let bound: Api | undefined;

/** Returns the bound functions; binds them on the first call. Throws `engine/library`. */
export function api(): Api {
  bound ??= bindFunctions();
  return bound;
}

function bindFunctions(): Api {
  const slots = Math.max(...Object.values(functions).map(([slot]) => slot)) + 1;
  const table = koffi.decode(getLibrary().table, 'void *', slots) as Pointer[];
  const bind = ([slot, args, result = 'p']: readonly [
    number,
    string,
    (keyof typeof types)?,
  ]): NativeFunction => {
    const argTypes = [...args].map((letter) => types[letter as keyof Letters]);
    return koffi.decode(table[slot], koffi.proto(types[result], argTypes)) as NativeFunction;
  };
  const getErrorMessage = bind(functions.GetErrorMessage);
  const releaseStatus = bind(functions.ReleaseStatus);
  const check = (call: string, status: unknown): void => {
    if (!status) return;
    const message = getErrorMessage(status) as string;
    releaseStatus(status);
    throw toAppError(call, message);
  };
  const calls: Record<string, unknown> = {};
  const statusCalls = new Map<string, NativeFunction>();
  for (const [name, row] of Object.entries(functions)) {
    const call = bind(row);
    if (row.length === 3) {
      calls[name] = call;
      continue;
    }
    statusCalls.set(name, call);
    calls[name] = (...args: unknown[]): void => {
      check(name, call(...args));
    };
  }
  calls.callAsync = (name: string, ...args: unknown[]): Promise<void> =>
    new Promise((resolve, reject) => {
      statusCalls.get(name)!.async(...args, (error: Error | null, status: unknown) => {
        try {
          if (error) throw error;
          check(name, status);
          resolve();
        } catch (thrown) {
          reject(thrown as Error);
        } finally {
          // Refers to the arguments until the call is over, so that their memory is not collected before.
          args.length = 0;
        }
      });
    });
  return calls as unknown as Api;
}

/** Messages of allocations that failed. The last one is WebGPU's, for a buffer it could not create. */
const outOfMemoryMessages: readonly RegExp[] = [
  /failed to allocate memory/i,
  /BFCArena/i,
  /out[ _]of[ _](?:device[ _]|host[ _])?memory/i,
  /bad_?alloc/i,
  /_ALLOC_FAILED/i,
  /available memory of \d+ is smaller/i,
  /\[Invalid Buffer\b.*previous error/i,
];

/** Returns an error for a message of ONNX Runtime: `engine/out-of-memory` or `engine/runtime`. */
export function toAppError(call: string, message: string): AppError {
  return outOfMemoryMessages.some((pattern) => pattern.test(message))
    ? createError('engine/out-of-memory', { device: 'cpu', detail: message })
    : createError('engine/runtime', { call, message });
}

/** Memory for an out parameter: a pointer or a size that a native function writes. */
export const outParameter = (): BigUint64Array => new BigUint64Array(1);

/** The address of an array's memory. The array must be kept as long as the address is used. */
export const addressOf = (memory: NodeJS.TypedArray): Pointer => koffi.address(memory);

/** Calls `call` with an out parameter and returns the pointer written to it. */
export function getPointer(call: (out: BigUint64Array) => void): Pointer {
  const out = outParameter();
  call(out);
  return out[0]!;
}

/** Reads the zero-terminated UTF-8 string at `address`. */
export const readString = (address: Pointer): string => koffi.decode.string(address);

/** Reads `count` pointers from `address` on. */
export const readPointers = (address: Pointer, count: number): readonly Pointer[] =>
  count ? (koffi.decode(address, 'void *', count) as Pointer[]) : [];

/** memcpy and memset of the C library, for native memory that no JavaScript array covers. */
export const nativeMemory = (() => {
  const c = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null);
  const copy = c.func('memcpy', 'void *', ['void *', 'const void *', 'size_t']) as NativeFunction;
  const fill = c.func('memset', 'void *', ['void *', 'int', 'size_t']) as NativeFunction;
  return {
    copy: (to: Letters['p'], from: Letters['p'], bytes: number): void => {
      if (bytes) copy(to, from, bytes);
    },
    fill: (to: Pointer, value: number, bytes: number): void => {
      if (bytes) fill(to, value, bytes);
    },
  };
})();

let allocator: Pointer | undefined;

/** Returns ONNX Runtime's default allocator, which allocates host memory. */
export function getAllocator(): Pointer {
  allocator ??= getPointer((out) => {
    api().GetAllocatorWithDefaultOptions(out);
  });
  return allocator;
}

/** Values of OrtLoggingLevel. */
export const logSeverity = { warning: 2, fatal: 4 } as const;

let environment: Pointer | undefined;

/** Returns the process's only OrtEnv. It logs warnings to stderr and has telemetry disabled. */
export function getEnvironment(): Pointer {
  if (environment) return environment;
  environment = getPointer((out) => {
    api().CreateEnv(logSeverity.warning, 'cambium', out);
  });
  api().DisableTelemetryEvents(environment);
  return environment;
}

/** Reads a string that ONNX Runtime allocated, and frees it. */
export function takeString(create: (allocator: Pointer, out: BigUint64Array) => void): string {
  const address = getPointer((out) => {
    create(getAllocator(), out);
  });
  const text = readString(address);
  api().AllocatorFree(getAllocator(), address);
  return text;
}

/** Reference count of a native object. Starts at one; calls `free` when it reaches zero. */
export class RefCount {
  #count = 1;
  readonly #free: () => void;

  constructor(free: () => void) {
    this.#free = free;
  }

  retain(): void {
    this.#count++;
  }

  release(): void {
    this.#count--;
    if (this.#count === 0) this.#free();
  }
}
