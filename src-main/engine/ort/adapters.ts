/**
 * @file Reads the names and memory sizes of graphics adapters from their drivers (CUDA, Vulkan), because ONNX
 * Runtime does not report them.
 */
import { cpus, freemem, totalmem } from 'node:os';
import koffi from 'koffi';
import type { DeviceKind } from '../../train/settings.ts';
import { outParameter } from './api.ts';
import { numberDevicesByBus } from './cuda-libraries.ts';

export interface Adapter {
  readonly name: string;
  /** Bytes; null if the driver does not report it. */
  readonly memory: number | null;
  /** Free bytes; null if the driver does not report it. */
  readonly free: number | null;
  /** Whether the processor emulates the adapter. */
  readonly software?: boolean;
}

type NativeFunction = (...args: unknown[]) => number;
/** Binds a function of a driver by its name and the types of its arguments; it returns an int32. */
type Driver = (name: string, argTypes: readonly string[]) => NativeFunction;

/** Loads the driver that `names` gives for this platform; undefined if there is none. */
function loadDriver(names: Readonly<Partial<Record<NodeJS.Platform, string>>>): Driver | undefined {
  const file = names[process.platform];
  if (!file) return undefined;
  try {
    const driver = koffi.load(file);
    return (name, argTypes) => driver.func(name, 'int32_t', [...argTypes]) as NativeFunction;
  } catch {
    return undefined;
  }
}

const decodeString = (bytes: Uint8Array): string =>
  new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));

/** The adapters to report if no driver answers. */
const unnamed: Readonly<Record<DeviceKind, Adapter>> = {
  cpu: { name: 'CPU', memory: null, free: null },
  cuda: { name: 'NVIDIA GPU (CUDA)', memory: null, free: null },
  webgpu: { name: 'GPU (WebGPU)', memory: null, free: null },
};

/** Returns the adapter that a kind of device uses, with a generic name if no driver reports one. */
export function findAdapter(kind: DeviceKind): Adapter {
  if (kind === 'cpu')
    return { name: cpus()[0]?.model.trim() || unnamed.cpu.name, memory: totalmem(), free: freemem() };
  try {
    return (kind === 'cuda' ? readCudaAdapter() : readWebgpuAdapter()) ?? unnamed[kind];
  } catch {
    return unnamed[kind]; // an older driver, without one of these functions
  }
}

/**
 * Returns the CUDA device with this index, counted among CUDA_VISIBLE_DEVICES; undefined if there is none.
 * Free memory is only reported while the process has a context on the device.
 */
function readCudaAdapter(index = 0): Adapter | undefined {
  numberDevicesByBus();
  const driver = loadDriver({ linux: 'libcuda.so.1', win32: 'nvcuda.dll' });
  if (!driver) return undefined;
  const device = new Int32Array(1);
  const name = new Uint8Array(256);
  const total = outParameter();
  const free = outParameter();
  const context = outParameter();
  if (driver('cuInit', ['uint32_t'])(0) || driver('cuDeviceGet', ['void *', 'int32_t'])(device, index))
    return undefined;
  if (driver('cuDeviceGetName', ['void *', 'int32_t', 'int32_t'])(name, 255, device[0])) return undefined;
  if (driver('cuDeviceTotalMem_v2', ['void *', 'int32_t'])(total, device[0])) return undefined;
  const memory = Number(total[0]);
  if (driver('cuDevicePrimaryCtxRetain', ['void *', 'int32_t'])(context, device[0]))
    return { name: decodeString(name), memory, free: null };
  const getInfo = driver('cuMemGetInfo_v2', ['void *', 'void *']);
  const push = driver('cuCtxPushCurrent_v2', ['void *']);
  const pop = driver('cuCtxPopCurrent_v2', ['void *']);
  const hasFree = push(context[0]) === 0 && getInfo(free, total) === 0;
  pop(context);
  driver('cuDevicePrimaryCtxRelease_v2', ['int32_t'])(device[0]);
  return { name: decodeString(name), memory, free: hasFree ? Number(free[0]) : null };
}

/** The CUDA devices, counted among CUDA_VISIBLE_DEVICES; 0 without a driver. */
export function countCudaDevices(): number {
  const driver = loadDriver({ linux: 'libcuda.so.1', win32: 'nvcuda.dll' });
  const found = new Int32Array(1);
  try {
    if (!driver || driver('cuInit', ['uint32_t'])(0)) return 0;
    return driver('cuDeviceGetCount', ['void *'])(found) === 0 ? found[0]! : 0;
  } catch {
    return 0; // an older driver, without one of these functions
  }
}

/** Values of VkPhysicalDeviceType in the order in which WebGPU chooses a high-performance adapter. */
const deviceTypes = [2, 1, 3, 4, 0];
const cpuDeviceType = 4;

/** Returns the adapter that WebGPU would choose; undefined if Vulkan lists none. */
function readWebgpuAdapter(): Adapter | undefined {
  if (process.platform === 'darwin')
    return { name: `${cpus()[0]?.model ?? 'Apple'} GPU`, memory: totalmem(), free: null };
  const driver = loadDriver({ linux: 'libvulkan.so.1', win32: 'vulkan-1.dll' });
  if (!driver) return undefined;
  const createInfo = new Uint32Array(16); // VkInstanceCreateInfo: sType, everything else zero
  createInfo[0] = 1;
  const instance = outParameter();
  const createInstance = driver('vkCreateInstance', ['void *', 'void *', 'void *']);
  if (createInstance(createInfo, null, instance)) return undefined;
  try {
    const enumerate = driver('vkEnumeratePhysicalDevices', ['void *', 'void *', 'void *']);
    const count = new Uint32Array(1);
    if (enumerate(instance[0], count, null) || !count[0]) return undefined;
    const devices = new BigUint64Array(count[0]);
    enumerate(instance[0], count, devices);
    const adapters = Array.from(devices, (device) => readVulkanDevice(driver, device));
    return adapters.sort((a, b) => a.rank - b.rank)[0]?.adapter;
  } finally {
    driver('vkDestroyInstance', ['void *', 'void *'])(instance[0], null);
  }
}

/** Reads a VkPhysicalDevice and its rank among `deviceTypes`. */
function readVulkanDevice(
  driver: Driver,
  device: bigint,
): { readonly adapter: Adapter; readonly rank: number } {
  const properties = new Uint32Array(256); // VkPhysicalDeviceProperties has 824 bytes
  const heaps = new BigUint64Array(128); // VkPhysicalDeviceMemoryProperties has 520 bytes
  driver('vkGetPhysicalDeviceProperties', ['void *', 'void *'])(device, properties);
  driver('vkGetPhysicalDeviceMemoryProperties', ['void *', 'void *'])(device, heaps);
  const deviceType = properties[4]!;
  const heapCount = Number(heaps[32]! >> 32n);
  const sizes = Array.from({ length: heapCount }, (_, i) => {
    const isDeviceLocal = (heaps[34 + 2 * i]! & 1n) === 1n;
    return isDeviceLocal ? Number(heaps[33 + 2 * i]) : 0;
  });
  const adapter: Adapter = {
    name: decodeString(new Uint8Array(properties.buffer, 20, 256)),
    memory: Math.max(0, ...sizes) || null,
    free: null,
    software: deviceType === cpuDeviceType,
  };
  return { adapter, rank: deviceTypes.indexOf(deviceType) };
}
