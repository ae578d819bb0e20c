/** @file A device to work on: opens sessions there and moves tensors to it and back. */
import { refuse, type AppError } from '../../base/errors.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { adapterOf } from './adapters.ts';
import { DeviceTensor } from './device-tensor.ts';
import { identityModel } from './identity.ts';
import type { ProviderOptions } from './providers.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

export interface DeviceOptions {
  /** Threads of its sessions that do not say themselves. */
  readonly threads?: number;
  /** The provider's own options, as ONNX Runtime names them. */
  readonly provider?: ProviderOptions;
}

/** An opened device. What it opened is disposed of with it. */
export class Device {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly #options: DeviceOptions;
  readonly #sessions = new Set<Session>();
  readonly #movers = new Map<DType, Promise<Session>>();

  /** Made by `openDevice`, which also tries it. */
  constructor(kind: DeviceKind, name: string, options: DeviceOptions) {
    this.kind = kind;
    this.name = name;
    this.#options = options;
  }

  /**
   * Opens a model (ONNX bytes, or the path of a file) here. Throws `engine/runtime`, `engine/other-device`,
   * `engine/out-of-memory`.
   */
  async session(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const session = await openSession(
      model,
      this.kind,
      { ...(this.#options.threads && { threads: this.#options.threads }), ...options },
      this.#options.provider,
    );
    this.#sessions.add(session);
    session.onDisposed(() => {
      this.#sessions.delete(session);
    });
    return session;
  }

  /** A copy of `data` (bytes, or values) on the device. */
  async upload(data: NodeJS.TypedArray, dtype: DType, shape: readonly number[]): Promise<DeviceTensor> {
    const host = DeviceTensor.host(dtype, shape, data);
    return this.kind === 'cpu'
      ? host
      : this.#moved(host, 'device').finally(() => {
          host.dispose();
        });
  }

  /** Zeros on the device. */
  async zeros(dtype: DType, shape: readonly number[]): Promise<DeviceTensor> {
    const host = DeviceTensor.host(dtype, shape);
    return this.kind === 'cpu'
      ? host
      : this.#moved(host, 'device').finally(() => {
          host.dispose();
        });
  }

  /** The bytes of a tensor, little-endian; the tensor stays. */
  async download(tensor: DeviceTensor): Promise<Uint8Array> {
    if (tensor.device === 'cpu') return tensor.bytes();
    const host = await this.#moved(tensor, 'host');
    try {
      return host.bytes();
    } finally {
      host.dispose();
    }
  }

  async #moved(tensor: DeviceTensor, to: 'host' | 'device'): Promise<DeviceTensor> {
    let mover = this.#movers.get(tensor.dtype);
    if (!mover) {
      this.#movers.set(tensor.dtype, (mover = this.session(identityModel(tensor.dtype))));
      mover.catch(() => {
        this.#movers.delete(tensor.dtype);
      });
    }
    return (await (await mover).run({ x: tensor }, { y: to })).get('y')!;
  }

  /**
   * Disposes of every session opened here; their memory goes once the tensors they gave are disposed of too.
   */
  async dispose(): Promise<void> {
    this.#movers.clear();
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/**
 * Opens a device and proves that it works: a tensor is brought there and back. Throws `engine/no-device`,
 * never gives another device.
 */
export async function openDevice(kind: DeviceKind, options: DeviceOptions = {}): Promise<Device> {
  const device = new Device(kind, adapterOf(kind).name, options);
  try {
    const there = await device.upload(Float32Array.of(1), 'float32', [1]);
    await device.download(there);
    there.dispose();
    return device;
  } catch (error) {
    await device.dispose();
    const { code, detail } = error as AppError;
    // The provider was loaded, and its driver refuses: what it says lies between its number and the place in
    // its source.
    const said =
      code === 'engine/runtime'
        ? /CUDA failure \d+: ([^;]+?)\s*;/.exec((detail as { message: string }).message)?.[1]
        : undefined;
    if (said !== undefined) refuse('engine/no-device', { device: kind, why: said });
    throw error;
  }
}
