/** @file The programs of a run as the engine builds them, for one device: what one update runs, how often, and what evaluation runs. */
import type { DeviceKind } from '../base/device.ts';
import type { Graph } from '../graph/graph.ts';
import { simplify } from '../graph/simplify.ts';
import type { Settings } from '../model/family.ts';
import { familyById } from '../model/families/index.ts';
import { parameterCount, parametersOf } from '../model/parameters.ts';
import type { Dims } from '../tensor/layout.ts';
import { inPrecision } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { bucketsOf, type Bucket } from '../train/state.ts';
import { accumulateProgram, lossProgram, stepProgram, updateProgram } from '../train/step.ts';

/** A model to be trained, as far as its cost needs it; a `CheckpointCard` and a `GrowthSource` are one. */
export interface Subject { readonly family: string; readonly dims: Dims; readonly settings: Settings }

export interface Programs {
  readonly parameters: number;
  readonly vocab: number;
  readonly buckets: readonly Bucket[];
  /** What one update runs, and how often. */
  readonly update: readonly { readonly graph: Graph; readonly times: number }[];
  /** What reads the held-out text, one batch. */
  readonly evaluation: Graph;
}

/** Elements of the largest bucket: what is compared is sums, so that one size serves every device. */
const most = 2 ** 26;

export function programsOf({ family: id, dims, settings }: Subject, s: TrainingSettings, device: DeviceKind): Programs {
  const family = familyById(id), buckets = bucketsOf(family, parametersOf(family, dims, settings), { most, optimizer: s.optimizer }), model = { family, dims, settings, buckets };
  const made = (graph: Graph): Graph => inPrecision(graph, device, s.precision);
  const update = s.accumulate > 1
    ? [{ graph: made(accumulateProgram(model, s)), times: s.accumulate }, { graph: simplify(updateProgram(model, s, s.accumulate, s.precision)), times: 1 }]
    : [{ graph: made(stepProgram(model, s, s)), times: 1 }];
  return { parameters: parameterCount(family, dims, settings), vocab: dims['vocab']!, buckets, update, evaluation: simplify(lossProgram(model, s)) };
}
