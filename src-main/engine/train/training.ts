/** @file Training on a device: the state stays there and is updated in place; one call is one update. */
import { sourceName } from '../../train/distill.ts';
import { partsOf } from '../../train/optimizers/index.ts';
import { isScaled, scalingNames, scalingStart, type Scaling } from '../../train/precision.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { stateName } from '../../train/state.ts';
import { accumulateProgram, stepProgram, updateProgram } from '../../train/step.ts';
import { hostScalars, type HostScalars } from '../../train/update.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Fetches, Session } from '../ort/session.ts';
import { tryPrecision } from '../device/precision-trial.ts';
import { compile, feedsOf } from '../model/programs.ts';
import type { Loaded } from '../model/weights.ts';

/**
 * What the host decides of one update: its number among those applied (from 1), its learning rate, the limits
 * of what is applied, and how much of it is learned from the source.
 */
export interface StepOrder {
  readonly update: number;
  readonly lr: number;
  readonly limits: { readonly loss: number; readonly norm: number };
  readonly distill: number;
}
/**
 * `applied` is false where the step changed nothing; `rescaled` where that was only the loss scale, which is
 * smaller now.
 */
export interface StepReport {
  readonly loss: number;
  readonly norm: number;
  readonly ratio: number;
  readonly applied: boolean;
  readonly rescaled?: boolean;
  readonly kl?: number;
}

const scalarNames = [
  'lr',
  'clip',
  'correction1',
  'correction2',
  'mostLoss',
  'mostNorm',
  'memory',
  'distill',
  'keep',
  'loss',
] as const;
type ScalarName = (typeof scalarNames)[number] | keyof HostScalars;

/**
 * The update of a loaded model. Moments that `loaded.tensors` lacks start at zero, averages at the weights.
 * Dispose of it before the model.
 */
export class Training {
  readonly #device: Device;
  readonly #settings: TrainingSettings;
  readonly #tensors: Map<string, DeviceTensor>;
  readonly #sessions: { readonly step?: Session; readonly gather?: Session; readonly update?: Session };
  readonly #tokens: Int32Array;
  readonly #documents: Int32Array;
  readonly #scalars = Object.fromEntries(scalarNames.map((name) => [name, new Float32Array(1)])) as Readonly<
    Record<ScalarName, Float32Array>
  >;
  readonly #own: DeviceTensor[] = [];
  /** Of the sums over the batches of an update: their names and lengths. */
  readonly #sums = new Map<string, number>();

  private constructor(
    device: Device,
    settings: TrainingSettings,
    tensors: Map<string, DeviceTensor>,
    sessions: { step?: Session; gather?: Session; update?: Session },
  ) {
    this.#device = device;
    this.#settings = settings;
    this.#tensors = tensors;
    this.#sessions = sessions;
    this.#tokens = new Int32Array(settings.batch * (settings.sequence + 1));
    this.#documents = new Int32Array(settings.batch * settings.sequence);
    const own = (
      name: string,
      data: Float32Array | Int32Array,
      dtype: 'float32' | 'int32',
      shape: readonly number[],
    ): void => {
      const tensor = DeviceTensor.over(data, dtype, shape);
      this.#own.push(tensor);
      tensors.set(name, tensor);
    };
    own('tokens', this.#tokens, 'int32', [settings.batch, settings.sequence + 1]);
    own('documents', this.#documents, 'int32', [settings.batch, settings.sequence]);
    for (const [name, data] of Object.entries(this.#scalars)) own(name, data, 'float32', []);
  }

  /** With `source`, the frozen model on the same device that is learned from. Refuses `run/precision`. */
  static async open(
    device: Device,
    { model, tensors }: Loaded,
    settings: TrainingSettings,
    source?: Loaded,
    scaling: Scaling<number> = scalingStart,
  ): Promise<Training> {
    const { precision, accumulate } = settings;
    await tryPrecision(device, precision);
    for (const bucket of model.buckets)
      for (const part of partsOf(bucket, settings)) {
        const name = stateName(part, bucket);
        if (!tensors.has(name))
          tensors.set(
            name,
            part === 'ema'
              ? await device.upload(
                  await device.download(tensors.get(stateName('weights', bucket))!),
                  'float32',
                  [bucket.length],
                )
              : await device.zeros('float32', [bucket.length]),
          );
      }
    const fed = new Map(tensors);
    const teacher = source && { model: source.model, temperature: settings.temperature };
    for (const bucket of source?.model.buckets ?? [])
      fed.set(sourceName(bucket), source!.tensors.get(stateName('weights', bucket))!);
    const sessions =
      accumulate > 1
        ? {
            gather: await compile(device, accumulateProgram(model, settings, teacher), { precision }),
            update: await compile(device, updateProgram(model, settings, accumulate, precision), {
              precision,
            }),
          }
        : { step: await compile(device, stepProgram(model, settings, settings, teacher), { precision }) };
    const training = new Training(device, settings, fed, sessions);
    if (accumulate > 1)
      for (const bucket of model.buckets) training.#sums.set(stateName('gradient', bucket), bucket.length);
    await training.#clearSums();
    for (const part of isScaled(precision) ? (['factor', 'good'] as const) : []) {
      const held = await device.upload(Float32Array.of(scaling[part]), 'float32', []);
      training.#own.push(held);
      fed.set(scalingNames[part], held);
    }
    return training;
  }

  /**
   * One update. `batch(i)` gives the tokens [batch, sequence + 1] of its i-th device batch, and their
   * documents [batch, sequence].
   */
  async step(
    { update, lr, limits, distill }: StepOrder,
    batch: (i: number, tokens: Int32Array, documents: Int32Array) => void,
  ): Promise<StepReport> {
    const { accumulate } = this.#settings;
    const s = this.#scalars;
    for (const [name, value] of Object.entries({
      ...hostScalars(this.#settings, update, lr, limits),
      distill,
    }))
      s[name as ScalarName][0] = value;
    const told = this.#settings.distill > 0 ? ['loss', 'kl'] : ['loss'];
    const updated = ['norm', 'ratio', 'applied', ...(isScaled(this.#settings.precision) ? ['scale'] : [])];
    if (this.#sessions.step) {
      batch(0, this.#tokens, this.#documents);
      return reported(await this.#run(this.#sessions.step, [...told, ...updated]));
    }
    const sums: Record<string, number> = {};
    for (let i = 0; i < accumulate; i++) {
      batch(i, this.#tokens, this.#documents);
      s.keep[0] = i === 0 ? 0 : 1;
      for (const [name, value] of Object.entries(await this.#run(this.#sessions.gather!, told)))
        sums[name] = (sums[name] ?? 0) + value / accumulate;
    }
    s.loss[0] = sums['loss']!;
    const report = reported({ ...sums, ...(await this.#run(this.#sessions.update!, updated)) });
    // what is not finite stays so when it is multiplied by `keep`
    if (!Number.isFinite(report.norm)) await this.#clearSums();
    return report;
  }

  async #clearSums(): Promise<void> {
    for (const [name, length] of this.#sums) {
      this.#tensors.get(name)?.dispose();
      this.#tensors.set(name, await this.#device.zeros('float32', [length]));
    }
  }

  /** The loss scale as it is now; undefined where there is none. */
  async scaling(): Promise<Scaling<number> | undefined> {
    if (!isScaled(this.#settings.precision)) return undefined;
    const read = async (name: string): Promise<number> =>
      new Float32Array((await this.#device.download(this.#tensors.get(name)!)).buffer)[0]!;
    return { factor: await read(scalingNames.factor), good: await read(scalingNames.good) };
  }

  /** Runs once: every `next/x` is written over `x`, the named reports come back as numbers. */
  async #run(session: Session, reports: readonly string[]): Promise<Record<string, number>> {
    const fetches: Record<string, Fetches[string]> = Object.fromEntries(
      reports.map((name) => [name, 'host' as const]),
    );
    for (const name of session.outputs)
      if (name.startsWith('next/')) fetches[name] = this.#tensors.get(name.slice('next/'.length))!;
    const out = await session.run(feedsOf(session, this.#tensors), fetches);
    return Object.fromEntries(
      reports.map((name) => {
        const t = out.get(name)!;
        try {
          return [name, t.values('float32')[0]!];
        } finally {
          t.dispose();
        }
      }),
    );
  }

  async dispose(): Promise<void> {
    for (const session of Object.values(this.#sessions)) await session.dispose();
    for (const name of this.#sums.keys()) this.#tensors.get(name)?.dispose();
    for (const tensor of this.#own) tensor.dispose();
  }
}

const reported = ({
  loss,
  norm,
  ratio,
  applied,
  kl,
  scale = 1,
}: Readonly<Record<string, number>>): StepReport => ({
  loss: loss!,
  norm: norm!,
  ratio: ratio!,
  applied: applied === 1,
  ...(scale > 1 && Number.isFinite(loss) && !Number.isFinite(norm) ? { rescaled: true } : {}),
  ...(kl === undefined ? {} : { kl }),
});
