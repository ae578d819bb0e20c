/**
 * @file Makes the kernels of a program ready: compiles them for the GPU, or reads the machine code of an earlier run,
 * loads them, and returns the operators that launch them.
 */
import type { Node } from '../../graph/graph.ts';
import type { KernelNodes } from '../../graph/kernel-nodes.ts';
import { hashText, readMachineCode, writeMachineCode } from '../../store/gpu/kernel-cache.ts';
import { resolveHomeDir } from '../../store/home/home.ts';
import { addressOf } from '../ort/api.ts';
import { openCudaDriver, type CudaDriver, type LoadedKernel } from '../ort/cuda-driver.ts';
import { loadInstalledLibraries } from '../ort/cuda-libraries.ts';
import type { CustomOp } from '../ort/custom-ops.ts';
import { openNvrtc, type Nvrtc } from '../ort/nvrtc.ts';
import { kernelOf } from './index.ts';
import type { Kernel, Launch, Scalar } from './kernel.ts';
import { sourceOf } from './source.ts';

/** Opens NVRTC, installed or the system's. Throws `kernel/no-compiler`. */
export function openCompiler(): Nvrtc {
  loadInstalledLibraries();
  return openNvrtc();
}

/** The options that a kernel is compiled with, besides the architecture. */
export const compilerOptions = ({ fastMath }: Kernel): readonly string[] => [
  '--std=c++17',
  ...(fastMath ? ['--use_fast_math'] : []),
];

/** Kernels by a hash of their machine code's origin: the driver loads each once. */
const loaded = new Map<string, LoadedKernel>();

async function load(kernel: Kernel, launch: Launch, nvrtc: Nvrtc, driver: CudaDriver): Promise<LoadedKernel> {
  const source = sourceOf(kernel, launch);
  const options = compilerOptions(kernel);
  const key = hashText(source, driver.architecture, nvrtc.version, ...options);
  const known = loaded.get(key);
  if (known) return known;
  const home = resolveHomeDir();
  let code = await readMachineCode(home, key);
  if (!code) {
    ({ code } = nvrtc.compile(kernel.op, source, driver.architecture, options));
    await writeMachineCode(home, key, kernel.op, code);
  }
  const made = driver.load(kernel.op, code, launch.sharedBytes);
  loaded.set(key, made);
  return made;
}

const memoryOf = (scalar: Scalar): NodeJS.TypedArray => {
  if ('int' in scalar) return Int32Array.of(scalar.int);
  if ('float' in scalar) return Float32Array.of(scalar.float);
  return BigInt64Array.of(BigInt(scalar.long));
};

function createOp(
  name: string,
  { inputs, outputs }: Node,
  launch: Launch,
  kernel: LoadedKernel,
  driver: CudaDriver,
): CustomOp {
  const scalars = launch.scalars.map(memoryOf);
  let parameters: BigUint64Array | undefined;
  return {
    name,
    inputs,
    outputs,
    compute(addresses, stream) {
      // The array stays where it is, so its elements' addresses are found once.
      parameters ??= BigUint64Array.from([
        ...Array.from(addresses, (_, i) => addressOf(addresses) + BigInt(8 * i)),
        ...scalars.map(addressOf),
      ]);
      driver.launch(kernel, launch, stream, parameters);
    },
  };
}

/** The operators for the kernel nodes of a program. Throws `kernel/no-compiler`, `kernel/compile`, `kernel/launch`. */
export async function prepareKernels({ examples }: KernelNodes): Promise<readonly CustomOp[]> {
  if (examples.size === 0) return [];
  const nvrtc = openCompiler();
  const driver = openCudaDriver();
  const ops: CustomOp[] = [];
  for (const [name, node] of examples) {
    const kernel = kernelOf(node.op.name);
    const launch = kernel.launch(node);
    ops.push(createOp(name, node, launch, await load(kernel, launch, nvrtc, driver), driver));
  }
  return ops;
}
