/** @file Our side of the training benchmark, one process: `train-ours.ts CHECKPOINT TOKENS BATCH SEQUENCE STEPS THREADS`; the last line is one JSON object. */
import { readFileSync } from 'node:fs';
import { chooseDevice } from '../../src-main/engine/choose.ts';
import { Training } from '../../src-main/engine/training.ts';
import { fromCheckpoint, load } from '../../src-main/engine/weights.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { unbounded } from '../../src-main/train/update.ts';

const [dir, file, ...numbers] = process.argv.slice(2) as [string, string, ...string[]];
const [batch, sequence, steps, threads] = numbers.map(Number) as [number, number, number, number], skip = 3;
const bytes = readFileSync(file), rows = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), size = batch * (sequence + 1);
const device = await chooseDevice('cpu', threads), checkpoint = await openCheckpoint(dir), loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
const training = await Training.open(device, loaded, { ...trainingDefaults, batch, sequence, lr: 3e-4, schedule: 'constant', warmup: 0 });
const seconds: number[] = [], losses: number[] = [];
for (let step = 1; step <= steps; step++) {
  const began = performance.now();
  losses.push((await training.step({ update: step, lr: 3e-4, limits: { loss: unbounded, norm: unbounded }, distill: 0 }, (_, into) => { into.set(rows.subarray((step - 1) * size, step * size)); })).loss);
  seconds.push((performance.now() - began) / 1000);
}
const timed = seconds.slice(skip).sort((a, b) => a - b), median = timed[Math.floor(timed.length / 2)]!;
console.log(JSON.stringify({ tokensPerSecond: (batch * sequence) / median, medianSeconds: median, peakBytes: process.resourceUsage().maxRSS * 1024, losses }));
await training.dispose();
loaded.dispose();
await device.dispose();
