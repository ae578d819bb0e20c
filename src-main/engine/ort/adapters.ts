/**
 * @file The names and memory of graphics adapters, from the drivers themselves (CUDA's, Vulkan's), because
 * ONNX Runtime does not tell them.
 */
import { cpus, freemem, totalmem } from 'node:os';
import koffi from 'koffi';
import type { DeviceKind } from '../../train/settings.ts';
import { cell } from './api.ts';

/**
 * An adapter; `memory` and `free` in bytes, null where its driver does not say; `software` where the
 * processor only plays one.
 */
export interface Adapter {
  readonly name: string;
  readonly memory: number | null;
  readonly free: number | null;
  readonly software?: boolean;
}

type Foreign = (...args: unknown[]) => number;
const library = (
  names: Readonly<Partial<Record<NodeJS.Platform, string>>>,
): ((name: string, takes: readonly string[]) => Foreign) | undefined => {
  const name = names[process.platform];
  if (!name) return undefined;
  try {
    const driver = koffi.load(name);
    return (call, takes) => driver.func(call, 'int32_t', [...takes]) as Foreign;
  } catch {
    return undefined;
  } // no driver: nothing to name
};
const asText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));

const unknown: Readonly<Record<DeviceKind, Adapter>> = {
  cpu: { name: 'CPU', memory: null, free: null },
  cuda: { name: 'NVIDIA GPU (CUDA)', memory: null, free: null },
  webgpu: { name: 'GPU (WebGPU)', memory: null, free: null },
};

/** The adapter behind a kind of device, with a plain name where no driver tells one. */
export function adapterOf(kind: DeviceKind): Adapter {
  if (kind === 'cpu')
    return { name: cpus()[0]?.model.trim() || unknown.cpu.name, memory: totalmem(), free: freemem() };
  try {
    return (kind === 'cuda' ? cudaAdapter() : webgpuAdapter()) ?? unknown[kind];
  } catch {
    return unknown[kind];
  } // a driver without these calls
}

/**
 * The GPU that CUDA calls number `index` (CUDA_VISIBLE_DEVICES obeyed), or undefined without one. Free memory
 * needs a context, so ask with the device open.
 */
function cudaAdapter(index = 0): Adapter | undefined {
  const driver = library({ linux: 'libcuda.so.1', win32: 'nvcuda.dll' });
  if (!driver) return undefined;
  const device = new Int32Array(1);
  const name = new Uint8Array(256);
  const total = cell();
  const free = cell();
  const context = cell();
  if (driver('cuInit', ['uint32_t'])(0) || driver('cuDeviceGet', ['void *', 'int32_t'])(device, index))
    return undefined;
  if (driver('cuDeviceGetName', ['void *', 'int32_t', 'int32_t'])(name, 255, device[0])) return undefined;
  if (driver('cuDeviceTotalMem_v2', ['void *', 'int32_t'])(total, device[0])) return undefined;
  const memory = Number(total[0]);
  if (driver('cuDevicePrimaryCtxRetain', ['void *', 'int32_t'])(context, device[0]))
    return { name: asText(name), memory, free: null };
  const ask = driver('cuMemGetInfo_v2', ['void *', 'void *']);
  const push = driver('cuCtxPushCurrent_v2', ['void *']);
  const pop = driver('cuCtxPopCurrent_v2', ['void *']);
  const told = push(context[0]) === 0 && ask(free, total) === 0;
  pop(context);
  driver('cuDevicePrimaryCtxRelease_v2', ['int32_t'])(device[0]);
  return { name: asText(name), memory, free: told ? Number(free[0]) : null };
}

/**
 * Vulkan's kinds of device by number, best first: the order in which a high-performance adapter is chosen.
 */
const preference = [2, 1, 3, 4, 0];
const simulated = 4;

/** The adapter WebGPU would choose, or undefined where none can be named. */
function webgpuAdapter(): Adapter | undefined {
  if (process.platform === 'darwin')
    return { name: `${cpus()[0]?.model ?? 'Apple'} GPU`, memory: totalmem(), free: null };
  const driver = library({ linux: 'libvulkan.so.1', win32: 'vulkan-1.dll' });
  if (!driver) return undefined;
  const request = new Uint32Array(16); // VkInstanceCreateInfo: its type, and nothing asked for
  request[0] = 1;
  const instance = cell();
  if (driver('vkCreateInstance', ['void *', 'void *', 'void *'])(request, null, instance)) return undefined;
  try {
    const list = driver('vkEnumeratePhysicalDevices', ['void *', 'void *', 'void *']);
    const many = new Uint32Array(1);
    if (list(instance[0], many, null) || !many[0]) return undefined;
    const devices = new BigUint64Array(many[0]);
    list(instance[0], many, devices);
    const properties = driver('vkGetPhysicalDeviceProperties', ['void *', 'void *']);
    const memories = driver('vkGetPhysicalDeviceMemoryProperties', ['void *', 'void *']);
    const found = Array.from(devices, (device) => {
      const told = new Uint32Array(256);
      // VkPhysicalDeviceProperties (824 bytes), …MemoryProperties (520)
      const heaps = new BigUint64Array(128);
      properties(device, told);
      memories(device, heaps);
      const sizes = Array.from({ length: Number(heaps[32]! >> 32n) }, (_, i) =>
        heaps[34 + 2 * i]! & 1n ? Number(heaps[33 + 2 * i]) : 0,
      );
      const adapter: Adapter = {
        name: asText(new Uint8Array(told.buffer, 20, 256)),
        memory: Math.max(0, ...sizes) || null,
        free: null,
        software: told[4] === simulated,
      };
      return { adapter, rank: preference.indexOf(told[4]!) };
    }).sort((a, b) => a.rank - b.rank);
    return found[0]?.adapter;
  } finally {
    driver('vkDestroyInstance', ['void *', 'void *'])(instance[0], null);
  }
}
