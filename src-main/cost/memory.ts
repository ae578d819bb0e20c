/** @file Memory of a training run by part: the state of the run, and the peak of its programs. */
import type { DeviceKind } from '../base/device.ts';
import { analyzeLiveness } from '../graph/passes/liveness.ts';
import { countOf, type Value } from '../graph/graph.ts';
import { byteLengthOf } from '../tensor/dtype.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { partsOf } from '../train/optimizers/index.ts';
import { trainedBuckets, type Bucket } from '../train/state.ts';
import type { Programs } from './programs.ts';
import type { Range } from './range.ts';

export interface MemoryPart {
  readonly what: string;
  readonly bytes: number;
}
export interface Memory {
  readonly parts: readonly MemoryPart[];
  readonly total: Range;
}

interface EngineMemory {
  /** Bytes of an engine before a model is loaded. */
  readonly base: number;
  /** Bytes of ONNX Runtime's arena over the bytes that are live at once. */
  readonly pool: number;
  /** Relative error of the estimate. */
  readonly spread: number;
}

/** Measured; see docs/cost.md. */
const engineMemory: Readonly<Record<DeviceKind, EngineMemory>> = {
  cpu: { base: 240e6, pool: 1.15, spread: 0.15 },
  cuda: { base: 1e9, pool: 1.1, spread: 0.25 },
  webgpu: { base: 5e8, pool: 1.25, spread: 0.35 },
};

const float32Bytes = 4;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Bytes on the training device; on the CPU, of the whole engine process. */
export function memoryOf(
  { parameters, source, vocab, buckets, update, evaluation }: Programs,
  s: TrainingSettings,
  device: DeviceKind,
): Memory {
  const stateBytes = (isCounted: (part: string) => boolean): number =>
    sum(buckets.map((b) => float32Bytes * b.length * partsOf(b, s).filter(isCounted).length));
  const liveness = update.map(({ graph }) =>
    analyzeLiveness(graph, { inPlace: (name) => name.startsWith('next/') }),
  );
  const peaks = liveness.map((l) => l.peakBytes);
  const { base, pool, spread } = engineMemory[device];
  const accumulates = s.gradAccum > 1;
  const livePeak = accumulates ? sum(peaks) : peaks[0]!;
  const liveValues = liveness.flatMap((l) => l.liveValues);
  const evaluates = s.heldOut > 0;
  const parts: MemoryPart[] = [
    { what: 'Weights', bytes: stateBytes((part) => part === 'weights') },
    { what: 'Optimizer', bytes: stateBytes((part) => part !== 'weights') },
  ];
  const masked = buckets.filter((bucket) => bucket.isMasked);
  if (masked.length > 0)
    parts.push({ what: 'Masks of new entries', bytes: float32Bytes * sum(masked.map((b) => b.length)) });
  if (source > 0) parts.push({ what: 'Source', bytes: float32Bytes * source });
  if (accumulates)
    parts.push({
      what: 'Accumulated gradients',
      bytes: float32Bytes * sum(trainedBuckets(buckets).map((b) => b.length)),
    });
  parts.push(...splitByUse(liveValues, livePeak, vocab, buckets));
  parts.push({ what: 'Unused arena', bytes: (pool - 1) * livePeak });
  if (evaluates) {
    parts.push({ what: 'Evaluation', bytes: pool * analyzeLiveness(evaluation).peakBytes });
    // Each save evaluates the averaged weights as a second model.
    if (s.averageCheckpoints > 0) parts.push({ what: 'Averaged weights', bytes: float32Bytes * parameters });
  }
  parts.push({ what: 'Engine', bytes: base });
  const likely = sum(parts.map((part) => part.bytes));
  return { parts, total: { low: likely * (1 - spread), likely, high: likely * (1 + spread) } };
}

/**
 * Splits the peak into activations, gradients and the loss head, in proportion to the values that are live then.
 * A value counts as a gradient if it has the shape of a weight, and to the loss head if it ends in the vocabulary.
 */
function splitByUse(
  values: readonly Value[],
  peakBytes: number,
  vocab: number,
  buckets: readonly Bucket[],
): readonly MemoryPart[] {
  const weightShapes = new Set(
    buckets.flatMap((b) => [
      `${b.length}`,
      ...b.slots.flatMap((slot) => [slot.shape.join(), `${slot.count}`]),
    ]),
  );
  const useOf = ({ shape }: Value): string => {
    if (weightShapes.has(shape.join())) return 'Gradients';
    return shape.length > 1 && shape.at(-1) === vocab ? 'Loss head' : 'Activations';
  };
  const bytesOf = (some: readonly Value[]): number =>
    sum(some.map((v) => byteLengthOf(v.dtype, countOf(v.shape))));
  const allBytes = Math.max(1, bytesOf(values));
  return ['Activations', 'Gradients', 'Loss head'].map((what) => ({
    what,
    bytes: (peakBytes * bytesOf(values.filter((v) => useOf(v) === what))) / allBytes,
  }));
}

export type Verdict = 'fits' | 'tight' | 'does not fit' | 'unknown';

/** Above this share of the capacity the memory is tight. */
const tightShare = 0.9;

export function verdictOf(bytes: number, capacity: number | null): Verdict {
  if (capacity === null) return 'unknown';
  if (bytes > capacity) return 'does not fit';
  return bytes > tightShare * capacity ? 'tight' : 'fits';
}
