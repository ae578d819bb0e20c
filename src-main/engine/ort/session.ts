/**
 * @file A model opened on a device: bind tensors to its inputs and outputs, run off the event loop, read back
 * what came out.
 */
import { AppError, appError, refuse } from '../../base/errors.ts';
import { physicalCores } from '../../store/fs/cores.ts';
import type { DeviceKind } from '../../train/settings.ts';
import {
  allocator,
  api,
  cell,
  created,
  Lease,
  pointersAt,
  runtime,
  severity,
  takeText,
  textAt,
} from './api.ts';
import { DeviceTensor, memoryOf } from './device-tensor.ts';
import type { Pointer } from './library.ts';
import { addProvider, type ProviderOptions } from './providers.ts';

const levels = { none: 0, basic: 1, extended: 2, all: 99 } as const;

export interface SessionOptions {
  /** Threads within an operator (0, the default: the physical cores; beside a GPU, 1). */
  readonly threads?: number;
  /** How far ONNX Runtime rewrites the graph (default all). */
  readonly optimization?: keyof typeof levels;
  /**
   * Plan the memory of a run as one block, from the shapes of the run before (default true); costs memory
   * where shapes vary.
   */
  readonly memoryPattern?: boolean;
  /** Keep freed host memory for the next run (default true). */
  readonly arena?: boolean;
  /** Start of the path of a profile, written by `endProfile`. */
  readonly profile?: string;
  /** Folder of the files that the weights of a model given as bytes lie in. */
  readonly externalFolder?: string;
  /**
   * Operators that may stay on the host beside a GPU, by ONNX name: those over shapes and indices. Any other
   * there is refused.
   */
  readonly hostOps?: readonly string[];
  /** ONNX Runtime's session.* entries, as they are. */
  readonly config?: Readonly<Record<string, string>>;
}

export type Feeds = ReadonlyMap<string, DeviceTensor> | Readonly<Record<string, DeviceTensor>>;
/**
 * Where an output goes: into new memory of the host or of the device, or into a tensor that is there (an
 * input too: updated in place).
 */
export type Fetches = Readonly<Record<string, 'host' | 'device' | DeviceTensor>>;

/**
 * An opened model. Runs of one session follow each other in the order of their calls; sessions run beside
 * each other.
 */
export class Session {
  readonly device: DeviceKind;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Operators that ONNX Runtime put on the host beside a GPU, one entry for each node. */
  readonly hostNodes: readonly string[];
  readonly #native: Pointer;
  readonly #lease: Lease;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;
  #disposal = (): void => undefined;

  /** Takes over a native session; made by `openSession`. */
  constructor(native: Pointer, device: DeviceKind, hostNodes: readonly string[]) {
    this.#native = native;
    this.#lease = new Lease(() => {
      api().ReleaseSession(native);
    });
    this.device = device;
    this.hostNodes = hostNodes;
    this.inputs = namesOf(native, 'Input');
    this.outputs = namesOf(native, 'Output');
  }

  /**
   * Runs once on a worker thread; gives the fetched outputs by name, which are the caller's to dispose of.
   * Throws `engine/runtime`, `engine/out-of-memory`.
   */
  async run(feeds: Feeds, fetches: Fetches): Promise<Map<string, DeviceTensor>> {
    this.#living();
    const fed = [
      ...(feeds instanceof Map
        ? (feeds as ReadonlyMap<string, DeviceTensor>)
        : Object.entries(feeds as Readonly<Record<string, DeviceTensor>>)),
    ];
    const letGo: (() => void)[] = [];
    try {
      for (const tensor of [...fed.map(([, tensor]) => tensor), ...Object.values(fetches)])
        if (tensor instanceof DeviceTensor) letGo.push(tensor.hold());
      this.#lease.hold();
      letGo.push(() => {
        this.#lease.drop();
      });
      const values = fed.map(([name, tensor]) => [name, tensor.value] as const);
      const run = this.#last.then(() => this.#runOnce(values, fetches));
      this.#last = run.catch(() => undefined);
      return await run;
    } catch (error) {
      throw onDevice(this.device, error);
    } finally {
      for (const drop of letGo) drop();
    }
  }

  async #runOnce(
    feeds: readonly (readonly [string, Pointer])[],
    fetches: Fetches,
  ): Promise<Map<string, DeviceTensor>> {
    const binding = created((out) => {
      api().CreateIoBinding(this.#native, out);
    });
    try {
      for (const [name, value] of feeds) api().BindInput(binding, name, value);
      const names = Object.keys(fetches);
      for (const name of names) {
        const to = fetches[name]!;
        if (to instanceof DeviceTensor) api().BindOutput(binding, name, to.value);
        else api().BindOutputToDevice(binding, name, memoryOf(to === 'host' ? 'cpu' : this.device));
      }
      await api().later('RunWithBinding', this.#native, null, binding);
      return this.#collect(binding, names, fetches);
    } finally {
      api().ReleaseIoBinding(binding);
    }
  }

  #collect(binding: Pointer, names: readonly string[], fetches: Fetches): Map<string, DeviceTensor> {
    const array = cell();
    const length = cell();
    api().GetBoundOutputValues(binding, allocator(), array, length);
    const values = pointersAt(array[0]!, Number(length[0]));
    if (array[0]) api().AllocatorFree(allocator(), array[0]);
    const results = new Map<string, DeviceTensor>();
    names.forEach((name, i) => {
      const to = fetches[name]!;
      if (to instanceof DeviceTensor) {
        api().ReleaseValue(values[i]!);
        results.set(name, to);
        return;
      }
      this.#lease.hold(); // an output's memory belongs to the session's allocator
      results.set(
        name,
        new DeviceTensor(values[i]!, undefined, () => {
          this.#lease.drop();
        }),
      );
    });
    for (const [name, to] of Object.entries(fetches)) {
      const got = results.get(name)!.device;
      const asked = to === 'host' ? 'cpu' : to === 'device' ? this.device : to.device;
      if (got === asked) continue;
      for (const tensor of results.values()) if (!Object.values(fetches).includes(tensor)) tensor.dispose();
      refuse('engine/other-device', { asked, got });
    }
    return results;
  }

  /** Ends the profile and gives its path. */
  endProfile(): string {
    this.#living();
    return takeText((from, out) => {
      api().SessionEndProfiling(this.#native, from, out);
    });
  }

  /**
   * Waits for the runs under way, then frees the session once its outputs are disposed of. May be called
   * again.
   */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#last;
    this.#lease.drop();
    this.#disposal();
  }

  /** Calls `then` when it is disposed of. */
  onDisposed(then: () => void): void {
    this.#disposal = then;
  }

  #living(): void {
    if (this.#disposed)
      refuse('engine/runtime', { call: 'a session', message: 'it was used after it was disposed of' });
  }
}

/**
 * Opens a model (ONNX bytes, or the path of a file) on a device. Throws `engine/no-device`, `engine/runtime`,
 * and
 * `engine/other-device` when a node landed on the host beside a GPU and `hostOps` does not allow it.
 */
export async function openSession(
  model: Uint8Array | string,
  device: DeviceKind,
  options: SessionOptions = {},
  provider: ProviderOptions = {},
): Promise<Session> {
  // then ONNX Runtime itself refuses the host, after its last rewrite
  const strict = device !== 'cpu' && !options.hostOps;
  const opened = await create(model, device, options, provider, strict).catch(async (error: unknown) => {
    if (
      !strict ||
      !(error instanceof AppError) ||
      !error.message.includes('fallback to CPU EP has been explicitly disabled')
    )
      throw onDevice(device, error);
    // once more, only to say which operators it was
    return { refusedOver: await create(model, device, options, provider, false) };
  });
  const native = typeof opened === 'bigint' ? opened : opened.refusedOver;
  const hostNodes = device === 'cpu' ? [] : nodesOnHost(native);
  const strays = hostNodes.filter((op) => !options.hostOps?.includes(op));
  if (native === opened && !strays.length) return new Session(native, device, hostNodes);
  api().ReleaseSession(native);
  return refuse('engine/other-device', {
    asked: device,
    got: strays.length ? `cpu (${[...new Set(strays)].join(', ')})` : 'cpu',
  });
}

async function create(
  model: Uint8Array | string,
  device: DeviceKind,
  options: SessionOptions,
  provider: ProviderOptions,
  strict: boolean,
): Promise<Pointer> {
  const c = api();
  const environment = runtime(); // the environment first: providers log while they are added
  const settings = created((out) => {
    c.CreateSessionOptions(out);
  });
  const out = cell();
  const entry = (key: string, value: string): void => {
    c.AddSessionConfigEntry(settings, key, value);
  };
  try {
    // what it would say there, hostNodes and the errors say
    c.SetSessionLogSeverityLevel(settings, device === 'cpu' ? severity.warning : severity.fatal);
    c.SetSessionExecutionMode(settings, 0);
    c.SetSessionGraphOptimizationLevel(settings, levels[options.optimization ?? 'all']);
    c.SetIntraOpNumThreads(settings, options.threads || (device === 'cpu' ? physicalCores() : 1));
    if (options.memoryPattern === false) c.DisableMemPattern(settings);
    if (options.arena === false) c.DisableCpuMemArena(settings);
    if (options.profile) c.EnableProfiling(settings, options.profile);
    if (options.externalFolder)
      entry('session.model_external_initializers_file_folder_path', options.externalFolder);
    if (device !== 'cpu') entry('session.record_ep_graph_assignment_info', '1');
    if (strict) entry('session.disable_cpu_ep_fallback', '1');
    for (const [key, value] of Object.entries(options.config ?? {})) entry(key, value);
    addProvider(settings, device, provider);
    if (typeof model === 'string') await c.later('CreateSession', environment, model, settings, out);
    else await c.later('CreateSessionFromArray', environment, model, model.byteLength, settings, out);
    return out[0]!;
  } finally {
    c.ReleaseSessionOptions(settings);
  }
}

function nodesOnHost(native: Pointer): readonly string[] {
  const groups = cell();
  const length = cell();
  api().Session_GetEpGraphAssignmentInfo(native, groups, length);
  return pointersAt(groups[0]!, Number(length[0])).flatMap((group) => {
    if (
      textAt(
        created((out) => {
          api().EpAssignedSubgraph_GetEpName(group, out);
        }),
      ) !== 'CPUExecutionProvider'
    )
      return [];
    const nodes = cell();
    const many = cell();
    api().EpAssignedSubgraph_GetNodes(group, nodes, many);
    return pointersAt(nodes[0]!, Number(many[0])).map((node) =>
      textAt(
        created((out) => {
          api().EpAssignedNode_GetOperatorType(node, out);
        }),
      ),
    );
  });
}

function namesOf(native: Pointer, which: 'Input' | 'Output'): readonly string[] {
  const many = cell();
  api()[`SessionGet${which}Count`](native, many);
  return Array.from({ length: Number(many[0]) }, (_, i) =>
    takeText((from, out) => {
      api()[`SessionGet${which}Name`](native, i, from, out);
    }),
  );
}

/** An out-of-memory error names the device it was on. */
function onDevice(device: DeviceKind, error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'engine/out-of-memory') return error;
  return appError('engine/out-of-memory', { ...(error.detail as { detail: string }), device });
}
