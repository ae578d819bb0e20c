/**
 * @file Trains a run, or measures the speed of the CPU, for the comparison with estimates: `measure-run.ts
 * RUN|SPEED [cpu]`. Prints one JSON object. With `cpu`, every time is CPU time of one thread, which other work on
 * the machine does not disturb.
 */
import { neverAborts } from '../../src-main/base/signals.ts';
import { measureSpeed } from '../../src-main/engine/device/speed-test.ts';
import { openDevice } from '../../src-main/engine/ort/device.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import type { RunEvent } from '../../src-main/train/run.ts';

const [run, clock] = process.argv.slice(2) as [string, string | undefined];
const usesCpuTime = clock === 'cpu';
if (usesCpuTime) {
  performance.now = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
}

if (run === 'SPEED') {
  const device = await openDevice('cpu', usesCpuTime ? { threads: 1 } : {});
  console.log(JSON.stringify(await measureSpeed(device)));
  await device.dispose();
} else {
  const events: RunEvent[] = [];
  for await (const event of train({ run }, neverAborts)) events.push(event);
  const last = events.at(-1);
  if (last?.type !== 'stopped' || last.reason !== 'finished') throw new Error(JSON.stringify(last));
  const seconds = events.flatMap((event) => (event.type === 'step' ? [event.seconds] : []));
  const measured = events.find((event) => event.type === 'measured');
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, measured, peakBytes }));
}
