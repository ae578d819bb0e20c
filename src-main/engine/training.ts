/** @file Training on a device: the state stays there and is updated in place; one call is one update. */
import { accumulateProgram, stepProgram, updateProgram } from '../train/step.ts';
import { learningRate } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { stateName, stateParts } from '../train/state.ts';
import type { Device } from './ort/device.ts';
import { DeviceTensor } from './ort/device-tensor.ts';
import type { Fetches, Session } from './ort/session.ts';
import { compile, feedsOf } from './programs.ts';
import type { Loaded } from './weights.ts';

/** A norm no gradient reaches: no clipping, and still every update waits for the norm. */
const unclipped = 3e38;

export interface StepReport { readonly loss: number; readonly norm: number; readonly lr: number }

/** The update of a loaded model. Moments that `loaded.tensors` lacks start at zero. Dispose of it before the model. */
export class Training {
  readonly #settings: TrainingSettings;
  readonly #tensors: Map<string, DeviceTensor>;
  readonly #sessions: { readonly step?: Session; readonly gather?: Session; readonly update?: Session };
  readonly #tokens: Int32Array;
  readonly #scalars: Readonly<Record<'lr' | 'clip' | 'correction1' | 'correction2' | 'keep', Float32Array>>;
  readonly #own: DeviceTensor[] = [];

  private constructor(settings: TrainingSettings, tensors: Map<string, DeviceTensor>, sessions: { step?: Session; gather?: Session; update?: Session }) {
    this.#settings = settings;
    this.#tensors = tensors;
    this.#sessions = sessions;
    this.#tokens = new Int32Array(settings.batch * (settings.sequence + 1));
    this.#scalars = { lr: new Float32Array(1), clip: Float32Array.of(settings.clip > 0 ? settings.clip : unclipped), correction1: new Float32Array(1), correction2: new Float32Array(1), keep: new Float32Array(1) };
    const own = (name: string, data: Float32Array | Int32Array, dtype: 'float32' | 'int32', shape: readonly number[]): void => {
      const tensor = DeviceTensor.over(data, dtype, shape);
      this.#own.push(tensor);
      tensors.set(name, tensor);
    };
    own('tokens', this.#tokens, 'int32', [settings.batch, settings.sequence + 1]);
    for (const [name, data] of Object.entries(this.#scalars)) own(name, data, 'float32', []);
  }

  static async open(device: Device, { model, tensors }: Loaded, settings: TrainingSettings): Promise<Training> {
    const parts = settings.accumulate > 1 ? [...stateParts, 'gradient' as const] : stateParts;
    for (const bucket of model.buckets) for (const part of parts) {
      const name = stateName(part, bucket);
      if (!tensors.has(name)) tensors.set(name, await device.zeros('float32', [bucket.length]));
    }
    const sessions = settings.accumulate > 1
      ? { gather: await compile(device, accumulateProgram(model, settings)), update: await compile(device, updateProgram(model, settings, settings.accumulate)) }
      : { step: await compile(device, stepProgram(model, settings, settings)) };
    return new Training(settings, tensors, sessions);
  }

  /** Update number `step` (from 1). `batch(i)` gives the tokens [batch, sequence + 1] of its i-th device batch. */
  async step(step: number, batch: (i: number, into: Int32Array) => void): Promise<StepReport> {
    const { beta1, beta2, accumulate } = this.#settings, lr = learningRate(this.#settings, step), s = this.#scalars;
    s.lr[0] = lr; s.correction1[0] = 1 - beta1 ** step; s.correction2[0] = Math.sqrt(1 - beta2 ** step);
    if (this.#sessions.step) {
      batch(0, this.#tokens);
      const out = await this.#run(this.#sessions.step, ['loss', 'norm']);
      return { loss: out['loss']!, norm: out['norm']!, lr };
    }
    let loss = 0;
    for (let i = 0; i < accumulate; i++) {
      batch(i, this.#tokens);
      s.keep[0] = i === 0 ? 0 : 1;
      loss += (await this.#run(this.#sessions.gather!, ['loss']))['loss']! / accumulate;
    }
    return { loss, norm: (await this.#run(this.#sessions.update!, ['norm']))['norm']!, lr };
  }

  /** Runs once: every `next/x` is written over `x`, the named reports come back as numbers. */
  async #run(session: Session, reports: readonly string[]): Promise<Record<string, number>> {
    const fetches: Record<string, Fetches[string]> = Object.fromEntries(reports.map((name) => [name, 'host' as const]));
    for (const name of session.outputs) if (name.startsWith('next/')) fetches[name] = this.#tensors.get(name.slice('next/'.length))!;
    const out = await session.run(feedsOf(session, this.#tensors), fetches);
    return Object.fromEntries(reports.map((name) => { const t = out.get(name)!; try { return [name, t.values('float32')[0]!]; } finally { t.dispose(); } }));
  }

  async dispose(): Promise<void> {
    for (const session of Object.values(this.#sessions)) await session.dispose();
    for (const tensor of this.#own) tensor.dispose();
  }
}
