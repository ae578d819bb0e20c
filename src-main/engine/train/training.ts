/** @file Training on a device. The state stays there and is updated in place; one call of `step` is one update. */
import { noKernels, type KernelChoice } from '../../graph/kernels.ts';
import type { ActivationCheckpointing } from '../../graph/passes/activation-checkpointing.ts';
import { sourceName } from '../../train/distill.ts';
import { partsOf, type StatePart } from '../../train/optimizers/index.ts';
import { initialLossScale, lossScaleNames, usesLossScaling, type LossScale } from '../../train/precision.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { stateName, trainedBuckets, type Bucket } from '../../train/state.ts';
import { accumulateProgram, stepProgram, updateProgram } from '../../train/step.ts';
import {
  hostScalarNames,
  hostScalars,
  lateScalarNames,
  lateScalars,
  type StepLimits,
} from '../../train/update.ts';
import { tryPrecision } from '../device/precision-trial.ts';
import { compile, selectFeeds } from '../model/programs.ts';
import type { LoadedModel } from '../model/weights.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import type { Fetches, Session } from '../ort/session.ts';

/** Settings of a run on its device: `auto` is replaced by what it stands for there. */
export type ResolvedSettings = TrainingSettings & {
  readonly activationCheckpointing: ActivationCheckpointing;
};

/** What the host decides about one update. */
export interface StepOrder {
  /** Number of the update among those applied, from 1. */
  readonly update: number;
  /** Number of the update of weights that were frozen at first; default: `update`. */
  readonly lateUpdate?: number;
  readonly lr: number;
  readonly limits: StepLimits;
  /** Weight of the distillation loss. */
  readonly distill: number;
}
export interface StepReport {
  /** Nats per token, before the update. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly updateRatio: number;
  /** False if the step changed nothing. */
  readonly applied: boolean;
  /** True if the step only lowered the loss scale. */
  readonly rescaled?: boolean;
  readonly kl?: number;
}

/** Writes micro-batch `i`: tokens [batch, seq + 1] and their documents [batch, seq]. */
export type ReadBatch = (i: number, tokens: Int32Array, documents: Int32Array) => void;

const scalarNames = [...hostScalarNames, ...lateScalarNames, 'distill', 'keep', 'loss'] as const;
type ScalarName = (typeof scalarNames)[number];

/** One program, or two where gradients of several micro-batches are accumulated. */
type Sessions =
  | { readonly kind: 'single'; readonly step: Session }
  | { readonly kind: 'accumulating'; readonly accumulate: Session; readonly update: Session };

/** Trains a loaded model. Dispose of it before the model. */
export class Training {
  readonly #device: Device;
  readonly #settings: TrainingSettings;
  /** Every input of the programs: state, batch, scalars. */
  readonly #inputs: Map<string, DeviceTensor>;
  readonly #sessions: Sessions;
  readonly #tokens: Int32Array;
  readonly #documents: Int32Array;
  readonly #scalars: Readonly<Record<ScalarName, Float32Array>>;
  readonly #owned: DeviceTensor[] = [];
  /** Length of each accumulated gradient, by name. */
  readonly #gradientSums = new Map<string, number>();

  private constructor(
    device: Device,
    settings: TrainingSettings,
    inputs: Map<string, DeviceTensor>,
    sessions: Sessions,
  ) {
    const { microBatch, contextLength } = settings;
    this.#device = device;
    this.#settings = settings;
    this.#inputs = inputs;
    this.#sessions = sessions;
    this.#tokens = new Int32Array(microBatch * (contextLength + 1));
    this.#documents = new Int32Array(microBatch * contextLength);
    this.#scalars = Object.fromEntries(scalarNames.map((name) => [name, new Float32Array(1)])) as Record<
      ScalarName,
      Float32Array
    >;
    this.#own('tokens', DeviceTensor.fromArray(this.#tokens, 'int32', [microBatch, contextLength + 1]));
    this.#own('documents', DeviceTensor.fromArray(this.#documents, 'int32', [microBatch, contextLength]));
    for (const [name, data] of Object.entries(this.#scalars))
      this.#own(name, DeviceTensor.fromArray(data, 'float32', []));
  }

  #own(name: string, tensor: DeviceTensor): void {
    this.#owned.push(tensor);
    this.#inputs.set(name, tensor);
  }

  /**
   * Opens the programs. State that `model.tensors` lacks is created: moments as zeros, moving averages as copies
   * of the weights. `source` is the frozen model of distillation, on the same device; `kernels` are those of our own
   * that passed their self-test. Throws `run/precision`.
   */
  static async open(
    device: Device,
    { model, tensors }: LoadedModel,
    settings: ResolvedSettings,
    source?: LoadedModel,
    lossScale: LossScale<number> = initialLossScale,
    kernels: KernelChoice = noKernels,
  ): Promise<Training> {
    const { precision, gradAccum } = settings;
    await tryPrecision(device, precision);
    for (const bucket of model.buckets)
      for (const part of partsOf(bucket, settings)) await createMissingState(device, tensors, part, bucket);
    const inputs = new Map(tensors);
    for (const bucket of source?.model.buckets ?? [])
      inputs.set(sourceName(bucket), source!.tensors.get(stateName('weights', bucket))!);
    const shape = { ...settings, deviceKind: device.kind, kernelChoice: kernels };
    const updateSettings = { ...settings, kernelChoice: kernels };
    const options = { precision, kernels };
    const teacher = source && { model: source.model, temperature: settings.distillTemperature };
    const sessions: Sessions =
      gradAccum === 1
        ? {
            kind: 'single',
            step: await compile(device, stepProgram(model, shape, updateSettings, teacher), options),
          }
        : {
            kind: 'accumulating',
            accumulate: await compile(device, accumulateProgram(model, shape, teacher), options),
            update: await compile(
              device,
              updateProgram(model, updateSettings, gradAccum, precision),
              options,
            ),
          };
    const training = new Training(device, settings, inputs, sessions);
    if (sessions.kind === 'accumulating')
      for (const bucket of trainedBuckets(model.buckets))
        training.#gradientSums.set(stateName('gradient', bucket), bucket.length);
    await training.#clearGradientSums();
    if (usesLossScaling(precision)) await training.#createLossScale(lossScale);
    return training;
  }

  async #createLossScale(scale: LossScale<number>): Promise<void> {
    for (const part of ['factor', 'finiteUpdates'] as const) {
      const values = Float32Array.of(scale[part]);
      this.#own(lossScaleNames[part], await this.#device.upload(values, 'float32', []));
    }
  }

  /** Makes one update. */
  async step(order: StepOrder, readBatch: ReadBatch): Promise<StepReport> {
    const { update, lr, limits, lateUpdate = update } = order;
    const scalars = {
      ...hostScalars(this.#settings, update, lr, limits),
      ...lateScalars(this.#settings, lateUpdate),
    };
    for (const name of [...hostScalarNames, ...lateScalarNames]) this.#scalars[name][0] = scalars[name];
    this.#scalars.distill[0] = order.distill;
    const lossReports = this.#settings.distillWeight > 0 ? ['loss', 'kl'] : ['loss'];
    const scaleReports = usesLossScaling(this.#settings.precision) ? ['scale'] : [];
    const updateReports = ['gradNorm', 'updateRatio', 'applied', ...scaleReports];
    if (this.#sessions.kind === 'single') {
      readBatch(0, this.#tokens, this.#documents);
      return reportOf(await this.#run(this.#sessions.step, [...lossReports, ...updateReports]));
    }
    const losses = await this.#accumulate(this.#sessions.accumulate, lossReports, readBatch);
    this.#scalars.loss[0] = losses['loss']!;
    const report = reportOf({ ...losses, ...(await this.#run(this.#sessions.update, updateReports)) });
    // NaN × 0 is NaN: `keep` cannot clear a sum that is not finite.
    if (!Number.isFinite(report.gradNorm)) await this.#clearGradientSums();
    return report;
  }

  /** Sums the gradients of the micro-batches; returns the mean of each report. */
  async #accumulate(
    session: Session,
    reports: readonly string[],
    readBatch: ReadBatch,
  ): Promise<Readonly<Record<string, number>>> {
    const { gradAccum } = this.#settings;
    const means: Record<string, number> = {};
    for (let i = 0; i < gradAccum; i++) {
      readBatch(i, this.#tokens, this.#documents);
      this.#scalars.keep[0] = i === 0 ? 0 : 1;
      for (const [name, value] of Object.entries(await this.#run(session, reports)))
        means[name] = (means[name] ?? 0) + value / gradAccum;
    }
    return means;
  }

  async #clearGradientSums(): Promise<void> {
    for (const [name, length] of this.#gradientSums) {
      this.#inputs.get(name)?.dispose();
      this.#inputs.set(name, await this.#device.zeros('float32', [length]));
    }
  }

  /** The current loss scale; undefined if the precision needs none. */
  async lossScale(): Promise<LossScale<number> | undefined> {
    if (!usesLossScaling(this.#settings.precision)) return undefined;
    const read = async (name: string): Promise<number> => {
      const bytes = await this.#device.download(this.#inputs.get(name)!);
      return new Float32Array(bytes.buffer)[0]!;
    };
    return {
      factor: await read(lossScaleNames.factor),
      finiteUpdates: await read(lossScaleNames.finiteUpdates),
    };
  }

  /** Runs a program once. Output `next/x` is written over input `x`; the named reports are returned. */
  async #run(session: Session, reports: readonly string[]): Promise<Record<string, number>> {
    const fetches: Record<string, Fetches[string]> = Object.fromEntries(
      reports.map((name) => [name, 'host' as const]),
    );
    for (const name of session.outputs)
      if (name.startsWith('next/')) fetches[name] = this.#inputs.get(name.slice('next/'.length))!;
    const outputs = await session.run(selectFeeds(session, this.#inputs), fetches);
    const values: Record<string, number> = {};
    for (const name of reports) {
      const tensor = outputs.get(name)!;
      try {
        values[name] = tensor.values('float32')[0]!;
      } finally {
        tensor.dispose();
      }
    }
    return values;
  }

  async dispose(): Promise<void> {
    const sessions = this.#sessions;
    const opened = sessions.kind === 'single' ? [sessions.step] : [sessions.accumulate, sessions.update];
    for (const session of opened) await session.dispose();
    for (const name of this.#gradientSums.keys()) this.#inputs.get(name)?.dispose();
    for (const tensor of this.#owned) tensor.dispose();
  }
}

/** Creates a state tensor that a model without it starts training with. */
export async function createMissingState(
  device: Device,
  tensors: Map<string, DeviceTensor>,
  part: StatePart,
  bucket: Bucket,
): Promise<void> {
  const name = stateName(part, bucket);
  if (tensors.has(name)) return;
  const shape = [bucket.length];
  if (part !== 'ema') {
    tensors.set(name, await device.zeros('float32', shape));
    return;
  }
  const weights = await device.download(tensors.get(stateName('weights', bucket))!);
  tensors.set(name, await device.upload(weights, 'float32', shape));
}

function reportOf(values: Readonly<Record<string, number>>): StepReport {
  const { loss, gradNorm, updateRatio, applied, kl, scale = 1 } = values;
  const isRescaled = scale > 1 && Number.isFinite(loss) && !Number.isFinite(gradNorm);
  return {
    loss: loss!,
    gradNorm: gradNorm!,
    updateRatio: updateRatio!,
    applied: applied === 1,
    ...(isRescaled ? { rescaled: true } : {}),
    ...(kl === undefined ? {} : { kl }),
  };
}
