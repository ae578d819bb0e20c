/**
 * @file NVRTC, NVIDIA's compiler of CUDA C as a library: source in, machine code out, without a GPU, headers or a
 * compiler on the system.
 */
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { refuse } from '../../base/errors.ts';
import { outParameter } from './api.ts';
import type { Pointer } from './library.ts';

const library = 'libnvrtc.so.13';
/** NVRTC loads it by name when it compiles. */
const builtins = 'libnvrtc-builtins.so.13.0';

type NativeFunction = (...args: unknown[]) => number;

/** The functions that we call, by the types of their arguments. All return an nvrtcResult. */
const functions = {
  nvrtcVersion: ['void *', 'void *'],
  nvrtcCreateProgram: ['void *', 'str', 'str', 'int', 'void *', 'void *'],
  nvrtcDestroyProgram: ['void *'],
  nvrtcCompileProgram: ['void *', 'int', 'const char **'],
  nvrtcGetProgramLogSize: ['void *', 'void *'],
  nvrtcGetProgramLog: ['void *', 'void *'],
  nvrtcGetCUBINSize: ['void *', 'void *'],
  nvrtcGetCUBIN: ['void *', 'void *'],
} as const;
type Bound = Readonly<Record<keyof typeof functions, NativeFunction>>;

/** Machine code, and what the compiler reports: registers, spills and shared memory of each kernel. */
export interface MachineCode {
  readonly code: Uint8Array;
  readonly log: string;
}

export interface Nvrtc {
  /** Such as `13.0`. */
  readonly version: string;
  /**
   * Compiles a kernel for an architecture such as `sm_90`. Throws `kernel/compile` with the first error and its
   * line.
   */
  compile(name: string, source: string, architecture: string, options: readonly string[]): MachineCode;
}

let handles: readonly LibraryHandle[] = [];
let opened: Nvrtc | undefined;

/** Opens NVRTC: from `folder`, or where the dynamic loader finds it. Throws `kernel/no-compiler`. */
export function openNvrtc(folder?: string): Nvrtc {
  opened ??= bindNvrtc(folder);
  return opened;
}

function bindNvrtc(folder: string | undefined): Nvrtc {
  const place = (name: string): string => (folder === undefined ? name : join(folder, name));
  try {
    handles = [koffi.load(place(builtins)), koffi.load(place(library))];
  } catch (error) {
    return refuse('kernel/no-compiler', { library, why: (error as Error).message });
  }
  const bound = Object.fromEntries(
    Object.entries(functions).map(([name, types]) => [name, handles[1]!.func(name, 'int', [...types])]),
  ) as unknown as Bound;
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  bound.nvrtcVersion(major, minor);
  return {
    version: `${major[0]!}.${minor[0]!}`,
    compile: (name, source, architecture, options) =>
      compileProgram(bound, name, source, [`--gpu-architecture=${architecture}`, ...options]),
  };
}

function compileProgram(nvrtc: Bound, name: string, source: string, options: readonly string[]): MachineCode {
  const program = outParameter();
  if (nvrtc.nvrtcCreateProgram(program, source, `${name}.cu`, 0, null, null) !== 0)
    return refuse('kernel/compile', { kernel: name, why: 'NVRTC could not create a program' });
  try {
    const status = nvrtc.nvrtcCompileProgram(program[0], options.length, options);
    const log = readText(program[0]!, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog).toString(
      'utf8',
    );
    if (status !== 0) {
      const why = /^.*error.*$/m.exec(log)?.[0] ?? `status ${status} for ${options.join(' ')}`;
      return refuse('kernel/compile', { kernel: name, why });
    }
    return { code: readText(program[0]!, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN), log };
  } finally {
    nvrtc.nvrtcDestroyProgram(program);
  }
}

/** Reads what one function gives the size of and another writes. */
function readText(program: Pointer, sizeOf: NativeFunction, write: NativeFunction): Buffer {
  const size = outParameter();
  sizeOf(program, size);
  const bytes = Buffer.alloc(Number(size[0]));
  if (bytes.length > 0) write(program, bytes);
  return bytes;
}
