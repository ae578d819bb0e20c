/** @file A compute device: opens sessions on it and copies tensors to it and back. */
import { refuse, type AppError } from '../../base/errors.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { findAdapter } from './adapters.ts';
import { DeviceTensor } from './device-tensor.ts';
import { encodeIdentityModel } from './identity.ts';
import type { ProviderOptions } from './providers.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

export interface DeviceOptions {
  /** Default thread count of the device's sessions. */
  readonly threads?: number;
  /** Options of the execution provider, by ONNX Runtime's names. */
  readonly provider?: ProviderOptions;
}

/** An open device. Disposing of it disposes of the sessions opened on it. */
export class Device {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly #options: DeviceOptions;
  readonly #sessions = new Set<Session>();
  readonly #copySessions = new Map<DType, Promise<Session>>();

  /** Use `openDevice`, which also checks that the device works. */
  constructor(kind: DeviceKind, name: string, options: DeviceOptions) {
    this.kind = kind;
    this.name = name;
    this.#options = options;
  }

  /**
   * Opens a model (ONNX bytes, or the path of a file) on the device. Throws `engine/runtime`,
   * `engine/other-device`, `engine/out-of-memory`.
   */
  async openSession(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
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

  /** Returns a copy of `data` (bytes or values) on the device. */
  async upload(data: NodeJS.TypedArray, dtype: DType, shape: readonly number[]): Promise<DeviceTensor> {
    return this.#moveFromHost(DeviceTensor.allocate(dtype, shape, data));
  }

  /** Returns a tensor of zeros on the device. */
  async zeros(dtype: DType, shape: readonly number[]): Promise<DeviceTensor> {
    return this.#moveFromHost(DeviceTensor.allocate(dtype, shape));
  }

  /** Returns a copy of the bytes of a tensor, little-endian. */
  async download(tensor: DeviceTensor): Promise<Uint8Array> {
    if (tensor.device === 'cpu') return tensor.bytes();
    const host = await this.#copy(tensor, 'host');
    try {
      return host.bytes();
    } finally {
      host.dispose();
    }
  }

  async #moveFromHost(host: DeviceTensor): Promise<DeviceTensor> {
    if (this.kind === 'cpu') return host;
    try {
      return await this.#copy(host, 'device');
    } finally {
      host.dispose();
    }
  }

  async #copy(tensor: DeviceTensor, to: 'host' | 'device'): Promise<DeviceTensor> {
    let session = this.#copySessions.get(tensor.dtype);
    if (!session) {
      session = this.openSession(encodeIdentityModel(tensor.dtype));
      this.#copySessions.set(tensor.dtype, session);
      session.catch(() => {
        this.#copySessions.delete(tensor.dtype);
      });
    }
    const outputs = await (await session).run({ x: tensor }, { y: to });
    return outputs.get('y')!;
  }

  /**
   * Disposes of every session opened on the device. Their memory is freed once the tensors they returned are
   * disposed of too.
   */
  async dispose(): Promise<void> {
    this.#copySessions.clear();
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/**
 * Opens a device and checks that it works by copying a tensor there and back. Throws `engine/no-device`; it
 * never falls back to another device.
 */
export async function openDevice(kind: DeviceKind, options: DeviceOptions = {}): Promise<Device> {
  const device = new Device(kind, findAdapter(kind).name, options);
  try {
    const tensor = await device.upload(Float32Array.of(1), 'float32', [1]);
    await device.download(tensor);
    tensor.dispose();
    return device;
  } catch (error) {
    await device.dispose();
    const { code, detail } = error as AppError;
    if (code === 'engine/runtime') {
      // The provider was loaded, but the driver failed. Its reason stands between the error number and the
      // location in the source.
      const reason = /CUDA failure \d+: ([^;]+);/.exec((detail as { message: string }).message)?.[1]?.trim();
      if (reason !== undefined) refuse('engine/no-device', { device: kind, why: reason });
    }
    throw error;
  }
}
