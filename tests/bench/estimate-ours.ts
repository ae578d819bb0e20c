/** @file One run of the engine in a process of its own, for the comparison of estimates: `estimate-ours.ts RUN`; the last line is one JSON object. With SPEED instead of a run it measures the processor.
 * With `cpu` after it every time is processor time of one thread, which other work on the machine does not
 * disturb.
 */
import { openDevice } from '../../src-main/engine/ort/device.ts';
import { measureSpeed } from '../../src-main/engine/device/speed-test.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import type { RunEvent } from '../../src-main/train/run.ts';

const [run, clock] = process.argv.slice(2) as [string, string | undefined];
if (clock === 'cpu')
  performance.now = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
if (run === 'SPEED') {
  const device = await openDevice('cpu', clock === 'cpu' ? { threads: 1 } : {});
  console.log(JSON.stringify(await measureSpeed(device)));
  await device.dispose();
} else {
  const events: RunEvent[] = [];
  for await (const event of train(
    { run },
    { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined },
  ))
    events.push(event);
  const seconds = events.flatMap((e) => (e.at === 'step' ? [e.seconds] : []));
  const measured = events.find((e) => e.at === 'measured');
  const stopped = events.at(-1);
  if (stopped?.at !== 'stopped' || stopped.reason !== 'finished') throw new Error(JSON.stringify(stopped));
  console.log(JSON.stringify({ seconds, measured, peakBytes: process.resourceUsage().maxRSS * 1024 }));
}
