/**
 * @file Trains a checkpoint on given tokens: `measure-training.ts CHECKPOINT TOKENS BATCH CONTEXT STEPS THREADS
 * DEVICE PRECISION`. Prints one JSON object.
 */
import { readFileSync } from 'node:fs';
import { resolveSettings } from '../../src-main/cost/checkpointing.ts';
import { subjectOf } from '../../src-main/cost/programs.ts';
import { chooseDevice } from '../../src-main/engine/device/choose.ts';
import { checkpointWeights, loadModel } from '../../src-main/engine/model/weights.ts';
import { findAdapter } from '../../src-main/engine/ort/adapters.ts';
import { Training } from '../../src-main/engine/train/training.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import type { Precision } from '../../src-main/train/precision.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { noLimit } from '../../src-main/train/update.ts';
import { medianOf } from './child.ts';

const [dir, tokenFile, ...rest] = process.argv.slice(2) as [string, string, ...string[]];
const numbers = rest.slice(0, 4).map(Number) as [number, number, number, number];
const [microBatch, contextLength, steps, threads] = numbers;
const [kind, precision] = rest.slice(4) as ['cpu' | 'cuda', Precision];
/** First steps that are not measured. */
const skippedSteps = 3;
const lr = 3e-4;

const bytes = readFileSync(tokenFile);
const tokens = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const batchTokens = microBatch * (contextLength + 1);

const device = await chooseDevice(kind, kind === 'cpu' ? threads : 0);
const checkpoint = await openCheckpoint(dir);
const model = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
const settings: TrainingSettings = {
  ...trainingDefaults,
  microBatch,
  contextLength,
  precision,
  lr,
  schedule: 'constant',
  warmupSteps: 0,
};
const capacity = findAdapter(device.kind).memory;
const resolved = resolveSettings(subjectOf(checkpoint), settings, device.kind, capacity);
const training = await Training.open(device, model, resolved);

const seconds: number[] = [];
const cpuSeconds: number[] = [];
const losses: number[] = [];
for (let step = 1; step <= steps; step++) {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  const order = { update: step, lr, limits: { loss: noLimit, gradNorm: noLimit }, distill: 0 };
  const { loss } = await training.step(order, (_, batch) => {
    batch.set(tokens.subarray((step - 1) * batchTokens, step * batchTokens));
  });
  const { user, system } = process.cpuUsage(cpuStart);
  losses.push(loss);
  seconds.push((performance.now() - start) / 1000);
  cpuSeconds.push((user + system) / 1e6);
}

const { memory, free } = findAdapter(kind);
const hasGpuMemory = kind === 'cuda' && memory !== null && free !== null;
const peakBytes = hasGpuMemory ? memory - free : process.resourceUsage().maxRSS * 1024;
const report = {
  tokensPerSecond: (microBatch * contextLength) / medianOf(seconds.slice(skippedSteps)),
  cpuSecondsPerStep: medianOf(cpuSeconds.slice(skippedSteps)),
  peakBytes,
  losses,
};
console.log(JSON.stringify(report));
await training.dispose();
model.dispose();
await device.dispose();
