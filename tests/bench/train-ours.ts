/**
 * @file Our side of the training benchmark, one process: `train-ours.ts CHECKPOINT TOKENS BATCH SEQUENCE
 * STEPS THREADS DEVICE PRECISION`; the last line is one JSON object.
 */
import { readFileSync } from 'node:fs';
import { chooseDevice } from '../../src-main/engine/device/choose.ts';
import { adapterOf } from '../../src-main/engine/ort/adapters.ts';
import { Training } from '../../src-main/engine/train/training.ts';
import { fromCheckpoint, load } from '../../src-main/engine/model/weights.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import type { Precision } from '../../src-main/train/precision.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { unbounded } from '../../src-main/train/update.ts';

const [dir, file, ...rest] = process.argv.slice(2) as [string, string, ...string[]];
const [kind, precision] = rest.slice(4) as ['cpu' | 'cuda', Precision];
const [batch, sequence, steps, threads] = rest.slice(0, 4).map(Number) as [number, number, number, number];
const skip = 3;
const bytes = readFileSync(file);
const rows = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const size = batch * (sequence + 1);
const device = await chooseDevice(kind, kind === 'cpu' ? threads : 0);
const checkpoint = await openCheckpoint(dir);
const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint));
const training = await Training.open(device, loaded, {
  ...trainingDefaults,
  batch,
  sequence,
  precision,
  lr: 3e-4,
  schedule: 'constant',
  warmup: 0,
});
const seconds: number[] = [];
const cpu: number[] = [];
const losses: number[] = [];
const middle = (values: readonly number[]): number =>
  values.slice(skip).sort((a, b) => a - b)[Math.floor((values.length - skip) / 2)]!;
for (let step = 1; step <= steps; step++) {
  const began = performance.now();
  const before = process.cpuUsage();
  losses.push(
    (
      await training.step(
        { update: step, lr: 3e-4, limits: { loss: unbounded, norm: unbounded }, distill: 0 },
        (_, into) => {
          into.set(rows.subarray((step - 1) * size, step * size));
        },
      )
    ).loss,
  );
  const { user, system } = process.cpuUsage(before);
  seconds.push((performance.now() - began) / 1000);
  cpu.push((user + system) / 1e6);
}
const { memory, free } = adapterOf(kind);
const peakBytes =
  kind === 'cuda' && memory !== null && free !== null ? memory - free : process.resourceUsage().maxRSS * 1024;
console.log(
  JSON.stringify({
    tokensPerSecond: (batch * sequence) / middle(seconds),
    cpuSecondsPerStep: middle(cpu),
    peakBytes,
    losses,
  }),
);
await training.dispose();
loaded.dispose();
await device.dispose();
