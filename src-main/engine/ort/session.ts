/**
 * @file A model opened on a device (OrtSession). A run binds tensors to inputs and outputs and computes on a
 * worker thread.
 */
import { AppError, createError, refuse } from '../../base/errors.ts';
import { kernelDomain } from '../../graph/kernels.ts';
import { countPhysicalCores } from '../../store/fs/cores.ts';
import type { DeviceKind } from '../../train/settings.ts';
import {
  getAllocator,
  api,
  outParameter,
  getPointer,
  RefCount,
  readPointers,
  getEnvironment,
  logSeverity,
  takeString,
  readString,
} from './api.ts';
import { addCustomOps, type CustomOp } from './custom-ops.ts';
import { DeviceTensor, getMemoryInfo } from './device-tensor.ts';
import type { Pointer } from './library.ts';
import { addProvider, type ProviderOptions } from './providers.ts';

/** Values of GraphOptimizationLevel. */
const optimizationLevels = { none: 0, basic: 1, extended: 2, all: 99 } as const;

export interface SessionOptions {
  /** Intra-op threads. 0, the default, means the physical cores, or 1 on a GPU. */
  readonly threads?: number;
  /** Graph optimization level of ONNX Runtime (default all). */
  readonly optimization?: keyof typeof optimizationLevels;
  /**
   * Allocates the memory of a run as one block, planned from the shapes of the run before (default true).
   * Costs memory if shapes vary.
   */
  readonly memoryPattern?: boolean;
  /** Keeps freed host memory for the next run (default true). */
  readonly arena?: boolean;
  /** Path prefix of a profile; `endProfile` writes it. */
  readonly profile?: string;
  /** Folder of the external weight files of a model given as bytes. */
  readonly externalFolder?: string;
  /**
   * ONNX operators that may run on the host while the device is a GPU: those that compute shapes and indices.
   * Any other operator on the host is an error.
   */
  readonly hostOps?: readonly string[];
  /** Operators of the domain `cambium` that the model uses. */
  readonly customOps?: readonly CustomOp[];
  /** Session config entries of ONNX Runtime (`session.*`). */
  readonly config?: Readonly<Record<string, string>>;
}

export type Feeds = ReadonlyMap<string, DeviceTensor> | Readonly<Record<string, DeviceTensor>>;
/**
 * Where each output goes: to new memory of the host or the device, or into an existing tensor. That tensor may
 * be an input, which is then updated in place.
 */
export type Fetches = Readonly<Record<string, 'host' | 'device' | DeviceTensor>>;

/** An open model. Runs of a session are executed one after the other; different sessions run in parallel. */
export class Session {
  readonly device: DeviceKind;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Operators that ONNX Runtime placed on the host while the device is a GPU, one entry a node. */
  readonly hostNodes: readonly string[];
  readonly #native: Pointer;
  readonly #refCount: RefCount;
  #lastRun: Promise<unknown> = Promise.resolve();
  #disposed = false;
  #onDisposed = (): void => undefined;

  /** Takes ownership of a native session. Use `openSession`. */
  constructor(native: Pointer, device: DeviceKind, hostNodes: readonly string[]) {
    this.#native = native;
    this.#refCount = new RefCount(() => {
      api().ReleaseSession(native);
    });
    this.device = device;
    this.hostNodes = hostNodes;
    this.inputs = readNames(native, 'Input');
    this.outputs = readNames(native, 'Output');
  }

  /**
   * Runs the model once on a worker thread. Returns the fetched outputs by name; the caller disposes of them.
   * Throws `engine/runtime`, `engine/out-of-memory`.
   */
  async run(feeds: Feeds, fetches: Fetches): Promise<Map<string, DeviceTensor>> {
    this.#checkOpen();
    const inputs = [
      ...(feeds instanceof Map
        ? (feeds as ReadonlyMap<string, DeviceTensor>)
        : Object.entries(feeds as Readonly<Record<string, DeviceTensor>>)),
    ];
    const releases: (() => void)[] = [];
    try {
      for (const tensor of [...inputs.map(([, input]) => input), ...Object.values(fetches)])
        if (tensor instanceof DeviceTensor) releases.push(tensor.retain());
      this.#refCount.retain();
      releases.push(() => {
        this.#refCount.release();
      });
      const values = inputs.map(([name, tensor]) => [name, tensor.ortValue] as const);
      const run = this.#lastRun.then(() => this.#runOnce(values, fetches));
      this.#lastRun = run.catch(() => undefined);
      return await run;
    } catch (error) {
      throw addDevice(this.device, error);
    } finally {
      for (const release of releases) release();
    }
  }

  async #runOnce(
    feeds: readonly (readonly [string, Pointer])[],
    fetches: Fetches,
  ): Promise<Map<string, DeviceTensor>> {
    const binding = getPointer((out) => {
      api().CreateIoBinding(this.#native, out);
    });
    try {
      for (const [name, value] of feeds) api().BindInput(binding, name, value);
      const names = Object.keys(fetches);
      for (const name of names) {
        const to = fetches[name]!;
        if (to instanceof DeviceTensor) api().BindOutput(binding, name, to.ortValue);
        else api().BindOutputToDevice(binding, name, getMemoryInfo(to === 'host' ? 'cpu' : this.device));
      }
      await api().callAsync('RunWithBinding', this.#native, null, binding);
      return this.#collectOutputs(binding, names, fetches);
    } finally {
      api().ReleaseIoBinding(binding);
    }
  }

  #collectOutputs(binding: Pointer, names: readonly string[], fetches: Fetches): Map<string, DeviceTensor> {
    const array = outParameter();
    const length = outParameter();
    api().GetBoundOutputValues(binding, getAllocator(), array, length);
    const values = readPointers(array[0]!, Number(length[0]));
    if (array[0]) api().AllocatorFree(getAllocator(), array[0]);
    const outputs = new Map<string, DeviceTensor>();
    names.forEach((name, i) => {
      const to = fetches[name]!;
      if (to instanceof DeviceTensor) {
        api().ReleaseValue(values[i]!);
        outputs.set(name, to);
        return;
      }
      this.#refCount.retain(); // an output's memory belongs to the session's allocator
      const output = new DeviceTensor(values[i]!, undefined, () => {
        this.#refCount.release();
      });
      outputs.set(name, output);
    });
    this.#checkDevices(outputs, fetches);
    return outputs;
  }

  /** Throws `engine/other-device` and disposes of new outputs if one is on another device than requested. */
  #checkDevices(outputs: ReadonlyMap<string, DeviceTensor>, fetches: Fetches): void {
    for (const [name, to] of Object.entries(fetches)) {
      const got = outputs.get(name)!.device;
      const asked = to === 'host' ? 'cpu' : to === 'device' ? this.device : to.device;
      if (got === asked) continue;
      for (const tensor of outputs.values()) if (!Object.values(fetches).includes(tensor)) tensor.dispose();
      refuse('engine/other-device', { asked, got });
    }
  }

  /** Ends profiling and returns the path of the profile. */
  endProfile(): string {
    this.#checkOpen();
    return takeString((from, out) => {
      api().SessionEndProfiling(this.#native, from, out);
    });
  }

  /**
   * Waits for pending runs, then frees the session once its outputs are disposed of. May be called again.
   */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#lastRun;
    this.#refCount.release();
    this.#onDisposed();
  }

  /** Sets the callback to call when the session has been disposed of. */
  onDisposed(callback: () => void): void {
    this.#onDisposed = callback;
  }

  #checkOpen(): void {
    if (this.#disposed)
      refuse('engine/runtime', { call: 'a session', message: 'it was used after it was disposed of' });
  }
}

/**
 * Opens a model (ONNX bytes, or the path of a file) on a device. Throws `engine/no-device`, `engine/runtime`,
 * and `engine/other-device` if the device is a GPU and a node outside of `hostOps` was placed on the host.
 */
export async function openSession(
  model: Uint8Array | string,
  device: DeviceKind,
  options: SessionOptions = {},
  provider: ProviderOptions = {},
): Promise<Session> {
  // Strict: ONNX Runtime itself rejects nodes on the host, after its last graph optimization.
  const strict = device !== 'cpu' && !options.hostOps;
  let native: Pointer;
  let rejected = false;
  try {
    native = await createNativeSession(model, device, options, provider, strict);
  } catch (error) {
    if (!strict || !isHostFallbackError(error)) throw addDevice(device, error);
    // Open it again without the check, only to find out which operators were placed on the host.
    rejected = true;
    native = await createNativeSession(model, device, options, provider, false);
  }
  const hostNodes = device === 'cpu' ? [] : listHostNodes(native);
  const disallowed = hostNodes.filter((op) => !options.hostOps?.includes(op));
  if (!rejected && disallowed.length === 0) return new Session(native, device, hostNodes);
  api().ReleaseSession(native);
  return refuse('engine/other-device', {
    asked: device,
    got: disallowed.length > 0 ? `cpu (${[...new Set(disallowed)].join(', ')})` : 'cpu',
  });
}

const isHostFallbackError = (error: unknown): boolean =>
  error instanceof AppError && error.message.includes('fallback to CPU EP has been explicitly disabled');

async function createNativeSession(
  model: Uint8Array | string,
  device: DeviceKind,
  options: SessionOptions,
  provider: ProviderOptions,
  strict: boolean,
): Promise<Pointer> {
  const c = api();
  const environment = getEnvironment(); // must exist first: providers log while they are added
  const settings = getPointer((out) => {
    c.CreateSessionOptions(out);
  });
  const out = outParameter();
  const addConfigEntry = (key: string, value: string): void => {
    c.AddSessionConfigEntry(settings, key, value);
  };
  try {
    // On a GPU the warnings only repeat `hostNodes` and the thrown errors.
    c.SetSessionLogSeverityLevel(settings, device === 'cpu' ? logSeverity.warning : logSeverity.fatal);
    c.SetSessionExecutionMode(settings, 0); // ORT_SEQUENTIAL
    c.SetSessionGraphOptimizationLevel(settings, optimizationLevels[options.optimization ?? 'all']);
    c.SetIntraOpNumThreads(settings, options.threads || (device === 'cpu' ? countPhysicalCores() : 1));
    if (options.memoryPattern === false) c.DisableMemPattern(settings);
    if (options.arena === false) c.DisableCpuMemArena(settings);
    if (options.profile) c.EnableProfiling(settings, options.profile);
    if (options.externalFolder)
      addConfigEntry('session.model_external_initializers_file_folder_path', options.externalFolder);
    if (device !== 'cpu') addConfigEntry('session.record_ep_graph_assignment_info', '1');
    if (strict) addConfigEntry('session.disable_cpu_ep_fallback', '1');
    for (const [key, value] of Object.entries(options.config ?? {})) addConfigEntry(key, value);
    addCustomOps(settings, kernelDomain, options.customOps ?? []);
    addProvider(settings, device, provider);
    if (typeof model === 'string') await c.callAsync('CreateSession', environment, model, settings, out);
    else await c.callAsync('CreateSessionFromArray', environment, model, model.byteLength, settings, out);
    return out[0]!;
  } finally {
    c.ReleaseSessionOptions(settings);
  }
}

/** Returns the operator of every node that ONNX Runtime assigned to its CPU provider. */
function listHostNodes(native: Pointer): readonly string[] {
  const subgraphs = outParameter();
  const subgraphCount = outParameter();
  api().Session_GetEpGraphAssignmentInfo(native, subgraphs, subgraphCount);
  return readPointers(subgraphs[0]!, Number(subgraphCount[0])).flatMap((subgraph) => {
    const provider = getPointer((out) => {
      api().EpAssignedSubgraph_GetEpName(subgraph, out);
    });
    if (readString(provider) !== 'CPUExecutionProvider') return [];
    const nodes = outParameter();
    const nodeCount = outParameter();
    api().EpAssignedSubgraph_GetNodes(subgraph, nodes, nodeCount);
    return readPointers(nodes[0]!, Number(nodeCount[0])).map((node) => {
      const operator = getPointer((out) => {
        api().EpAssignedNode_GetOperatorType(node, out);
      });
      return readString(operator);
    });
  });
}

function readNames(native: Pointer, which: 'Input' | 'Output'): readonly string[] {
  const count = outParameter();
  api()[`SessionGet${which}Count`](native, count);
  return Array.from({ length: Number(count[0]) }, (_, i) =>
    takeString((from, out) => {
      api()[`SessionGet${which}Name`](native, i, from, out);
    }),
  );
}

/** Adds the device to an out-of-memory error. */
function addDevice(device: DeviceKind, error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'engine/out-of-memory') return error;
  return createError('engine/out-of-memory', { ...(error.detail as { detail: string }), device });
}
