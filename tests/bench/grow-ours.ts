/**
 * @file Our side of the growth benchmark, one process: `grow-ours.ts SOURCE OUT NOISE`; the last line is one
 * JSON object. The certificate is not part of the time.
 */
import { writeGrown } from '../../src-main/engine/grow/grow-job.ts';
import { chooseDevice } from '../../src-main/engine/device/choose.ts';
import { methodById, optionsOf } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { usage } from './usage.ts';

const [dir, out, noise] = process.argv.slice(2) as [string, string, string];
const source = await openCheckpoint(dir);
const method = methodById('hypercloning');
const to = { hidden: 2 * source.dims['hidden']!, ffn: 2 * source.dims['ffn']! };
const plan = planGrowth(source.card, {
  method: method.id,
  to,
  options: optionsOf(method, { noise: noise === 'none' ? 'none' : Number(noise) }),
  seed: 1,
  dtype: 'keep',
});
const device = await chooseDevice('cpu');
const told = usage();
for await (const event of writeGrown(device, source, plan, out, {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
}))
  void event;
console.log(JSON.stringify(told()));
await device.dispose();
