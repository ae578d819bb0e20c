/** @file The programs of a training run as the engine builds them, so that their work and memory can be counted. */
import type { DeviceKind } from '../base/device.ts';
import type { Graph } from '../graph/graph.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import { resolveCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import { simplify } from '../graph/passes/simplify.ts';
import { findAddedEntries } from '../growth/added-entries.ts';
import { listAddedWeights } from '../growth/added-weights.ts';
import { sourceFromRecord, stagesFromRecord } from '../growth/plan/saved-plan.ts';
import type { CheckpointSummary } from '../model/summary.ts';
import type { Settings } from '../model/family.ts';
import { familyById } from '../model/families/index.ts';
import { countParameters, parametersOf } from '../model/parameters.ts';
import type { GrowthRecord } from '../model/records.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
import { inPrecision } from '../train/precision.ts';
import { evaluationPrecisionOf, type TrainingSettings } from '../train/settings.ts';
import { bucketsOf, type Bucket, type BucketOptions, type Trainable } from '../train/state.ts';
import { trainableOf, type TrainableChoice } from '../train/trainable.ts';
import {
  accumulateProgram,
  lossProgram,
  stepProgram,
  updateProgram,
  type BucketModel,
} from '../train/step.ts';

/** The model whose training is estimated. A `CheckpointSummary` and a `GrowthSource` are valid subjects. */
export interface Subject {
  readonly family: string;
  readonly dims: Dims;
  readonly settings: Settings;
  /** The types of the weights in their files. A weight that is not listed is float32. */
  readonly tensors?: readonly { readonly name: string; readonly dtype: WeightDType }[];
  /** The model that it was grown from, which is the teacher in distillation. */
  readonly source?: Omit<Subject, 'source'>;
  /** Names of the weights that its growth added. If they are not known, all weights count as trained with `new`. */
  readonly added?: readonly string[];
  /** Names of the weights that its growth gave new rows or columns. */
  readonly widened?: readonly string[];
}

/** The subject of a checkpoint, with the source and the added weights from its growth record. */
export function subjectOf({
  summary,
  growth,
}: {
  readonly summary: CheckpointSummary;
  readonly growth: GrowthRecord | null;
}): Subject {
  const source = sourceFromRecord(growth);
  const stages = stagesFromRecord(growth);
  const added = [...listAddedWeights(stages)];
  const widened = [...findAddedEntries(stages).keys()];
  return source ? { ...summary, source, added, widened } : { ...summary, added, widened };
}

export interface Programs {
  readonly parameters: number;
  /** Parameters of the frozen source that distillation keeps in memory; 0 without distillation. */
  readonly source: number;
  readonly vocab: number;
  readonly buckets: readonly Bucket[];
  /** The graphs of one update, and how often each runs. */
  readonly update: readonly { readonly graph: Graph; readonly times: number }[];
  /** The graph that evaluates one batch of held-out text. */
  readonly evaluation: Graph;
}

/** Elements of the largest bucket. Only sums over buckets are compared, so one size serves every device. */
const maxElements = 2 ** 26;

function createModel(
  { family: id, dims, settings }: Subject,
  options: Omit<BucketOptions, 'maxElements'> = {},
): BucketModel {
  const family = familyById(id);
  const parameters = parametersOf(family, dims, settings);
  return { family, dims, settings, buckets: bucketsOf(family, parameters, { maxElements, ...options }) };
}

/** The weights that a run trains; undefined for all. Throws `run/bad-setting`. */
export function trainableIn(
  { family: id, dims, settings, added, widened }: Subject,
  choice: TrainableChoice,
): Trainable | undefined {
  if (choice.trainable === 'new' && added === undefined) return undefined;
  const names = parametersOf(familyById(id), dims, settings).map(({ name }) => name);
  return trainableOf(choice, names, new Set(added), new Set(widened));
}

const countModel = ({ family, dims, settings }: BucketModel): number =>
  countParameters(family, dims, settings);

/** `kernels` are those of our own that the run uses. */
export function programsOf(
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  kernels: KernelChoice = noKernels,
): Programs {
  const trainable = trainableIn(subject, s);
  const model = createModel(subject, { optimizer: s.optimizer, ...(trainable ? { trainable } : {}) });
  const source = s.distillWeight > 0 && subject.source ? createModel(subject.source) : undefined;
  const teacher = source && { model: source, temperature: s.distillTemperature };
  const lower = (graph: Graph): Graph => inPrecision(graph, device, s.precision, kernels);
  const shape = {
    ...s,
    deviceKind: device,
    kernelChoice: kernels,
    activationCheckpointing: resolveCheckpointing(s.activationCheckpointing, s.contextLength),
  };
  const updateSettings = { ...s, kernelChoice: kernels };
  const evaluationPrecision = evaluationPrecisionOf(s);
  const update =
    s.gradAccum > 1
      ? [
          { graph: lower(accumulateProgram(model, shape, teacher)), times: s.gradAccum },
          { graph: simplify(updateProgram(model, updateSettings, s.gradAccum, s.precision)), times: 1 },
        ]
      : [{ graph: lower(stepProgram(model, shape, updateSettings, teacher)), times: 1 }];
  return {
    parameters: countModel(model),
    source: source ? countModel(source) : 0,
    vocab: model.dims['vocab']!,
    buckets: model.buckets,
    update,
    evaluation: inPrecision(
      lossProgram(model, { ...shape, precision: evaluationPrecision }),
      device,
      evaluationPrecision,
    ),
  };
}
