/**
 * @file The programs of a run as the engine builds them, for one device: what one update runs, how often, and
 * what evaluation runs.
 */
import type { DeviceKind } from '../base/device.ts';
import type { Graph } from '../graph/graph.ts';
import { simplify } from '../graph/passes/simplify.ts';
import { sourceFromRecord } from '../growth/plan/saved-plan.ts';
import type { CheckpointSummary } from '../model/summary.ts';
import type { Settings } from '../model/family.ts';
import { familyById } from '../model/families/index.ts';
import { countParameters, parametersOf } from '../model/parameters.ts';
import type { GrowthRecord } from '../model/records.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';
import { inPrecision } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { bucketsOf, type Bucket, type BucketOptions } from '../train/state.ts';
import {
  accumulateProgram,
  lossProgram,
  stepProgram,
  updateProgram,
  type BucketModel,
} from '../train/step.ts';

/** A model to be trained, as far as its cost needs it; a `CheckpointSummary` and a `GrowthSource` are one. */
export interface Subject {
  readonly family: string;
  readonly dims: Dims;
  readonly settings: Settings;
  /** The types that its weights have in their files; float32 for what is not named. */
  readonly tensors?: readonly { readonly name: string; readonly dtype: WeightDType }[];
  /** What it was grown from, which it learns from where it distils. */
  readonly source?: Omit<Subject, 'source'>;
}

/** A checkpoint, with what its record says it was grown from. */
export function subjectOf({
  summary: card,
  growth,
}: {
  readonly summary: CheckpointSummary;
  readonly growth: GrowthRecord | null;
}): Subject {
  const source = sourceFromRecord(growth);
  return source ? { ...card, source } : card;
}

export interface Programs {
  readonly parameters: number;
  /** Parameters of the frozen source that is held beside it; 0 for none. */
  readonly source: number;
  readonly vocab: number;
  readonly buckets: readonly Bucket[];
  /** What one update runs, and how often. */
  readonly update: readonly { readonly graph: Graph; readonly times: number }[];
  /** What reads the held-out text, one batch. */
  readonly evaluation: Graph;
}

/** Elements of the largest bucket: what is compared is sums, so that one size serves every device. */
const maxElements = 2 ** 26;

function modelOf(
  { family: id, dims, settings }: Subject,
  by: Omit<BucketOptions, 'maxElements'> = {},
): BucketModel {
  const family = familyById(id);
  return {
    family,
    dims,
    settings,
    buckets: bucketsOf(family, parametersOf(family, dims, settings), { maxElements, ...by }),
  };
}

export function programsOf(subject: Subject, s: TrainingSettings, device: DeviceKind): Programs {
  const model = modelOf(subject, { optimizer: s.optimizer });
  const source = s.distillWeight > 0 && subject.source ? modelOf(subject.source) : undefined;
  const teacher = source && { model: source, temperature: s.distillTemperature };
  const count = ({ family, dims, settings }: BucketModel): number => countParameters(family, dims, settings);
  const made = (graph: Graph): Graph => inPrecision(graph, device, s.precision);
  const update =
    s.gradAccum > 1
      ? [
          { graph: made(accumulateProgram(model, s, teacher)), times: s.gradAccum },
          { graph: simplify(updateProgram(model, s, s.gradAccum, s.precision)), times: 1 },
        ]
      : [{ graph: made(stepProgram(model, s, s, teacher)), times: 1 }];
  return {
    parameters: count(model),
    source: source ? count(source) : 0,
    vocab: model.dims['vocab']!,
    buckets: model.buckets,
    update,
    evaluation: simplify(lossProgram(model, s)),
  };
}
