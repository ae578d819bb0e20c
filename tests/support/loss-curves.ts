/**
 * @file Reads loss curves: text files with a line `step loss` for each training step. Those in
 * tests/fixtures/losses were made by PyTorch (tests/parity/make-losses.py); next to each is a JSON file with
 * its options and a safetensors file with some of the final weights.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { fixtures } from './golden.ts';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** The JSON file of a curve. */
interface CurveOptions {
  /** A folder in tests/fixtures/golden. */
  readonly checkpoint: string;
  /** The file with the token ids: one row per line, a blank line between micro-batches. */
  readonly tokens: string;
  readonly optimizer: {
    readonly name: OptimizerId;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weightDecay: number;
    readonly momentum: number;
  };
  readonly gradAccumSteps: number;
  readonly maxGradNorm: number;
  /** Learning-rate multipliers that differ from 1, by parameter name. */
  readonly rates: Readonly<Record<string, number>>;
  /** Learning rate of each step. */
  readonly lr: readonly number[];
  /** Gradient norm of each step, before clipping. */
  readonly gradNorm: readonly number[];
}

export interface LossCurve extends CurveOptions {
  readonly name: string;
  readonly points: readonly LossPoint[];
  /** Some of the weights after the last step, by parameter name. */
  readonly finalWeights: ReadonlyMap<string, Float32Array>;
  /** Token ids of each micro-batch: rows of sequence length + 1. */
  readonly batches: readonly (readonly (readonly number[])[])[];
}

/** Reads a file of `step loss` lines. */
export function readLossCurve(path: string): readonly LossPoint[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [step, loss] = line.split(' ').map(Number);
    return { step: step!, loss: loss! };
  });
}

function readBatches(path: string): LossCurve['batches'] {
  const batches = readFileSync(path, 'utf8').trim().split('\n\n');
  return batches.map((batch) => batch.split('\n').map((row) => row.split(' ').map(Number)));
}

/** Reads a safetensors file whose tensors are all float32. */
function readFloat32Tensors(path: string): ReadonlyMap<string, Float32Array> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Float32Array>();
  for (const [name, entry] of Object.entries(header)) {
    const [from, to] = entry.data_offsets;
    const copy = Uint8Array.from(bytes.subarray(start + from, start + to));
    tensors.set(name, new Float32Array(copy.buffer));
  }
  return tensors;
}

/** All curves of tests/fixtures/losses. */
export function readPyTorchCurves(): readonly LossCurve[] {
  const folder = join(fixtures, 'losses');
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length));
  return names.map((name) => {
    const options = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as CurveOptions;
    return {
      ...options,
      name,
      points: readLossCurve(join(folder, `${name}.txt`)),
      finalWeights: readFloat32Tensors(join(folder, `${name}.safetensors`)),
      batches: readBatches(join(folder, options.tokens)),
    };
  });
}
