/**
 * @file The functions of ONNX Runtime's C ABI that we call: their places in `OrtApi`, their types, and every
 * status checked.
 */
import koffi from 'koffi';
import { appError, type AppError } from '../../base/errors.ts';
import { library, type Pointer } from './library.ts';

/** What a letter of a signature means: p pointer (or memory), s text, w path, S texts, i 32-bit, z size. */
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
 * Name: place in the table, letters of its arguments, and of its result where that is no status.
 * Places are counted by a script from `struct OrtApi` of onnxruntime_c_api.h (ABI 29); the table only ever
 * grows at its end.
 */
// prettier-ignore
export const functions = {
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
} as const satisfies Record<string, readonly [place: number, takes: string, gives?: keyof typeof types]>;

type Table = typeof functions;
type Name = keyof Table;
type Takes<T extends string> = T extends `${infer Head extends keyof Letters}${infer Rest}`
  ? [Letters[Head], ...Takes<Rest>]
  : [];
type Gives<R> = R extends readonly [number, string, 's'] ? string : undefined;
type Call<R extends readonly [number, string, string?]> = (...args: Takes<R[1]>) => Gives<R>;
type StatusName = { [N in Name]: Table[N]['length'] extends 2 ? N : never }[Name];

/**
 * Every function of the table; a status that is not OK becomes an `AppError`. `later` makes the call on a
 * worker thread.
 */
export type Api = { readonly [N in Name]: Call<Table[N]> } & {
  readonly later: <N extends StatusName>(name: N, ...args: Takes<Table[N][1]>) => Promise<void>;
};

interface Foreign {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

let bound: Api | undefined;

/** The functions, bound at the first call. Throws `engine/library`. */
export function api(): Api {
  if (bound) return bound;
  const places = koffi.decode(
    library().table,
    'void *',
    Math.max(...Object.values(functions).map(([place]) => place)) + 1,
  ) as Pointer[];
  const foreign = (row: readonly [number, string, (keyof typeof types)?]): Foreign =>
    koffi.decode(
      places[row[0]],
      koffi.proto(
        types[row[2] ?? 'p'],
        [...row[1]].map((letter) => types[letter as keyof Letters]),
      ),
    ) as Foreign;
  const message = foreign(functions.GetErrorMessage);
  const release = foreign(functions.ReleaseStatus);
  const check = (call: string, status: unknown): void => {
    if (!status) return;
    const text = message(status) as string;
    release(status);
    throw failure(call, text);
  };
  const calls: Record<string, unknown> = {};
  const statusCalls = new Map<string, Foreign>();
  for (const [name, row] of Object.entries(functions)) {
    const call = foreign(row);
    if (row.length === 3) {
      calls[name] = call;
      continue;
    }
    statusCalls.set(name, call);
    calls[name] = (...args: unknown[]): void => {
      check(name, call(...args));
    };
  }
  calls.later = (name: string, ...args: unknown[]): Promise<void> =>
    new Promise((resolve, reject) => {
      statusCalls.get(name)!.async(...args, (error: Error | null, status: unknown) => {
        try {
          if (error) throw error;
          check(name, status);
          resolve();
        } catch (thrown) {
          reject(thrown as Error);
        } finally {
          args.length = 0;
        } // until here the arguments' memory must not be collected
      });
    });
  return (bound = calls as unknown as Api);
}

/** The last: what WebGPU says of a buffer it could not make. */
const outOfMemory =
  /failed to allocate memory|BFCArena|out[ _]of[ _](?:device[ _]|host[ _])?memory|bad_?alloc|_ALLOC_FAILED|available memory of \d+ is smaller|\[Invalid Buffer\b.*previous error/i;

/** What ONNX Runtime says in words, as an error of ours. */
export function failure(call: string, message: string): AppError {
  return outOfMemory.test(message)
    ? appError('engine/out-of-memory', { device: 'cpu', detail: message })
    : appError('engine/runtime', { call, message });
}

/** A cell for a pointer or a size that a function writes. */
export const cell = (): BigUint64Array => new BigUint64Array(1);

/** The pointer that `create` writes into the cell it is given. */
export function created(create: (out: BigUint64Array) => void): Pointer {
  const out = cell();
  create(out);
  return out[0]!;
}

/** The text at `address`, zero-terminated UTF-8. */
export const textAt = (address: Pointer): string => koffi.decode.string(address);

/** `count` pointers from `address` on. */
export const pointersAt = (address: Pointer, count: number): readonly Pointer[] =>
  count ? (koffi.decode(address, 'void *', count) as Pointer[]) : [];

/** The C library's memory functions: `copy` and `fill` work on native memory that no array of ours covers. */
export const memory = (() => {
  const c = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null);
  const copy = c.func('memcpy', 'void *', ['void *', 'const void *', 'size_t']) as Foreign;
  const fill = c.func('memset', 'void *', ['void *', 'int', 'size_t']) as Foreign;
  return {
    copy: (to: Letters['p'], from: Letters['p'], bytes: number): void => {
      if (bytes) copy(to, from, bytes);
    },
    fill: (to: Pointer, value: number, bytes: number): void => {
      if (bytes) fill(to, value, bytes);
    },
  };
})();

let allocated: Pointer | undefined;
/** ONNX Runtime's allocator of plain host memory. */
export const allocator = (): Pointer =>
  (allocated ??= created((out) => {
    api().GetAllocatorWithDefaultOptions(out);
  }));

/** ONNX Runtime's levels of logging. */
export const severity = { warning: 2, fatal: 4 } as const;

let environment: Pointer | undefined;
/** The process's one environment: warnings to stderr, no telemetry. */
export function runtime(): Pointer {
  if (environment) return environment;
  environment = created((out) => {
    api().CreateEnv(severity.warning, 'cambium', out);
  });
  api().DisableTelemetryEvents(environment);
  return environment;
}

/** The text that ONNX Runtime wrote into its own memory; frees it. */
export function takeText(create: (allocator: Pointer, out: BigUint64Array) => void): string {
  const address = created((out) => {
    create(allocator(), out);
  });
  const text = textAt(address);
  api().AllocatorFree(allocator(), address);
  return text;
}

/** Counts the holders of a native object and frees it when the last lets go. */
export class Lease {
  #holders = 1;
  readonly #free: () => void;
  constructor(free: () => void) {
    this.#free = free;
  }
  hold(): void {
    this.#holders++;
  }
  drop(): void {
    if (--this.#holders === 0) this.#free();
  }
}
