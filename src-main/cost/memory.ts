/**
 * @file How much memory a run needs, part by part: what its state holds, and the most that its programs hold
 * at once, from their own liveness.
 */
import type { DeviceKind } from '../base/device.ts';
import { analyzeLiveness } from '../graph/passes/liveness.ts';
import { countOf, type Value } from '../graph/graph.ts';
import { byteLengthOf } from '../tensor/dtype.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { partsOf } from '../train/optimizers/index.ts';
import type { Bucket } from '../train/state.ts';
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

/**
 * What an engine holds before a model comes, and what ONNX Runtime's pool holds over what lives in it at once
 * (measured; see docs/cost.md).
 */
const engine: Readonly<
  Record<DeviceKind, { readonly base: number; readonly pool: number; readonly spread: number }>
> = {
  cpu: { base: 190e6, pool: 1.15, spread: 0.15 },
  cuda: { base: 1e9, pool: 1.25, spread: 0.25 },
  webgpu: { base: 5e8, pool: 1.25, spread: 0.35 },
};

/** Bytes on the device that trains; on the processor, of the whole engine process. */
export function memoryOf(
  { parameters, source, vocab, buckets, update, evaluation }: Programs,
  s: TrainingSettings,
  device: DeviceKind,
): Memory {
  const state = (only: (part: string) => boolean): number =>
    buckets.reduce((n, b) => n + 4 * b.length * partsOf(b, s).filter(only).length, 0);
  const lives = update.map(({ graph }) =>
    analyzeLiveness(graph, { inPlace: (name) => name.startsWith('next/') }),
  );
  const peaks = lives.map((l) => l.peakBytes);
  const { base, pool, spread } = engine[device];
  const live = s.gradAccum > 1 ? peaks.reduce((a, b) => a + b, 0) : peaks[0]!;
  const parts: readonly MemoryPart[] = [
    { what: 'Weights', bytes: state((part) => part === 'weights') },
    { what: 'Optimizer', bytes: state((part) => part !== 'weights') },
    ...(source > 0 ? [{ what: 'Source', bytes: 4 * source }] : []),
    ...(s.gradAccum > 1 ? [{ what: 'Gradients, summed', bytes: 4 * parameters }] : []),
    ...split(
      lives.flatMap((l) => l.liveValues),
      live,
      vocab,
      buckets,
    ),
    { what: 'Left free in the pool', bytes: (pool - 1) * live },
    ...(s.heldOut > 0 ? [{ what: 'Evaluation', bytes: pool * analyzeLiveness(evaluation).peakBytes }] : []),
    // a second model at each save
    ...(s.heldOut > 0 && s.averageCheckpoints > 0
      ? [{ what: 'Mean of saved weights', bytes: 4 * parameters }]
      : []),
    { what: 'Engine', bytes: base },
  ];
  const likely = parts.reduce((n, part) => n + part.bytes, 0);
  return { parts, total: { low: likely * (1 - spread), likely, high: likely * (1 + spread) } };
}

/**
 * What is alive at the worst moment, by what it is for: the arrays over the vocabulary, gradients of whole
 * weights, and the rest.
 */
function split(
  held: readonly Value[],
  live: number,
  vocab: number,
  buckets: readonly Bucket[],
): readonly MemoryPart[] {
  const weights = new Set(
    buckets.flatMap((b) => [
      `${b.length}`,
      ...b.slots.flatMap((slot) => [slot.shape.join(), `${slot.count}`]),
    ]),
  );
  const kind = ({ shape }: Value): string =>
    weights.has(shape.join())
      ? 'Gradients'
      : shape.length > 1 && shape.at(-1) === vocab
        ? 'Loss head'
        : 'Activations';
  const bytes = (values: readonly Value[]): number =>
    values.reduce((n, v) => n + byteLengthOf(v.dtype, countOf(v.shape)), 0);
  const all = Math.max(1, bytes(held));
  return ['Activations', 'Gradients', 'Loss head'].map((what) => ({
    what,
    bytes: (live * bytes(held.filter((v) => kind(v) === what))) / all,
  }));
}

export type Verdict = 'fits' | 'tight' | 'does not fit' | 'unknown';

/** Against what the device has: tight is within a tenth of it. */
export const verdictOf = (bytes: number, capacity: number | null): Verdict =>
  capacity === null
    ? 'unknown'
    : bytes > capacity
      ? 'does not fit'
      : bytes > 0.9 * capacity
        ? 'tight'
        : 'fits';
