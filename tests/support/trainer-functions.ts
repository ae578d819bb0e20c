/**
 * @file The functions that Cambium's engine and the PyTorch trainer must compute alike, with their values for the
 * cases of tests/fixtures/torch/functions.json: batches, held-out windows, learning rates, random numbers.
 */
import { createHash } from 'node:crypto';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { heldOutStarts, heldOutWindows, windowStarts, type TextPart } from '../../src-main/train/batches.ts';
import { distillWeightAt } from '../../src-main/train/distill.ts';
import { decayFrom, extend, learningRate, stepsOf } from '../../src-main/train/schedule.ts';
import { limitsOf } from '../../src-main/train/spikes.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';

export const comparedBatches = 10_000;

interface BatchCase {
  readonly microBatch: number;
  readonly contextLength: number;
  readonly seed: number;
  readonly parts: readonly TextPart[];
}

export const batchCases: readonly BatchCase[] = [
  { microBatch: 4, contextLength: 16, seed: 1, parts: [{ start: 0, train: 5003, heldOut: 250, weight: 1 }] },
  {
    microBatch: 3,
    contextLength: 128,
    seed: 2 ** 32 + 7,
    parts: [{ start: 0, train: 9_000_001, heldOut: 40_000, weight: 1 }],
  },
  {
    microBatch: 8,
    contextLength: 32,
    seed: 42,
    parts: [
      { start: 0, train: 2000, heldOut: 100, weight: 3 },
      { start: 2100, train: 70_000, heldOut: 3500, weight: 1 },
      { start: 75_600, train: 800, heldOut: 0, weight: 0.013 },
    ],
  },
  // A text that is only evaluated on, and one that is shuffled in buffers, alone and in a mixture.
  {
    microBatch: 4,
    contextLength: 16,
    seed: 5,
    parts: [
      { start: 0, train: 1_000_000, heldOut: 0, weight: 1, shuffleWindows: 100 },
      { start: 1_000_000, train: 0, heldOut: 2000, weight: 0 },
    ],
  },
  {
    microBatch: 4,
    contextLength: 16,
    seed: 6,
    parts: [
      { start: 0, train: 5000, heldOut: 100, weight: 1 },
      { start: 5100, train: 1_000_000, heldOut: 0, weight: 2, shuffleWindows: 64 },
    ],
  },
];

/** SHA-256 of the first tokens of all windows of `comparedBatches` micro-batches, one line for each. */
export function digestBatches(batch: BatchCase): string {
  const hash = createHash('sha256');
  for (let n = 0; n < comparedBatches; n++) hash.update(`${windowStarts(n, batch).join(' ')}\n`);
  return hash.digest('hex');
}

const base: TrainingSettings = {
  ...trainingDefaults,
  microBatch: 2,
  contextLength: 16,
  gradAccum: 1,
  tokens: 60 * 32,
  warmupSteps: 7,
  minLrRatio: 0.1,
};
const wsd: TrainingSettings = { ...base, schedule: 'wsd', decayFraction: 0.3 };

const scheduleCases: readonly TrainingSettings[] = [
  { ...base, schedule: 'cosine' },
  { ...base, schedule: 'linear', minLrRatio: 0 },
  { ...base, schedule: 'constant' },
  wsd,
  decayFrom(wsd, 20, 15),
  decayFrom({ ...base, schedule: 'cosine' }, 3, 10),
  extend({ ...base, schedule: 'cosine' }, 60, 90 * 32, 5),
];

const range = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);
const outlierHistory = { losses: range(80).map((i) => 3 + Math.sin(i)), gradNorms: [], nonFinite: 0 };

/** What the fixture holds. */
export const trainerFunctions = () => ({
  batches: batchCases.map((batch) => ({
    ...batch,
    sha256: digestBatches(batch),
    heldOut: heldOutStarts(batch.parts, batch.contextLength, heldOutWindows),
  })),
  schedules: scheduleCases.map((settings) => ({
    settings,
    rates: range(stepsOf(settings)).map((i) => learningRate(settings, i + 1)),
  })),
  normals: [0, 1, 2 ** 31].map((seed) => {
    const key = deriveKey(seed, 'start', 'layers.0.attention.query');
    return { seed, key, values: range(20).map((i) => normalAt(key, i)) };
  }),
  distill: range(10).map((i) => distillWeightAt(0.7, i + 1, 8)),
  spikes: { losses: outlierHistory.losses, limit: limitsOf(outlierHistory, 4).loss },
});
