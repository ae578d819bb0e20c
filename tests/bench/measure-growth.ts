/**
 * @file Grows a checkpoint ×2 by hypercloning: `measure-growth.ts SOURCE OUT NOISE [DEVICE]`, where NOISE is a
 * signal-to-noise ratio in dB or `none`, and DEVICE is `cpu` (the default) or `cuda`. Prints one JSON object. The
 * certificate is not part of the time.
 */
import { neverAborts } from '../../src-main/base/signals.ts';
import { chooseDevice } from '../../src-main/engine/device/choose.ts';
import { writeGrownCheckpoint } from '../../src-main/engine/grow/grow-job.ts';
import { findMethod, resolveOptions } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { startUsage } from './measure-usage.ts';

const [dir, out, noise, kind = 'cpu'] = process.argv.slice(2) as [string, string, string, 'cpu' | 'cuda'];
const source = await openCheckpoint(dir);
const method = findMethod('hypercloning');
const plan = planGrowth(source.summary, {
  method: method.id,
  to: { hidden: 2 * source.dims['hidden']!, ffn: 2 * source.dims['ffn']! },
  options: resolveOptions(method, { noise: noise === 'none' ? 'none' : Number(noise) }),
  seed: 1,
  dtype: 'keep',
});
const device = await chooseDevice(kind);
const readUsage = startUsage();
for await (const event of writeGrownCheckpoint(device, source, plan, out, neverAborts)) void event;
console.log(JSON.stringify(readUsage()));
await device.dispose();
