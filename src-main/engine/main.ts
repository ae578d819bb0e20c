/** @file The engine's process: serves its contract to whoever started it, and ends when they go or the work is done. */
import { childChannel, mainPortChannel, type ChildLike, type MainPortLike } from '../base/transports.ts';
import { queue } from '../base/queue.ts';
import { engine, type Engine } from '../contract/engine.ts';
import type { AbortSignalLike } from '../contract/rpc.ts';
import { serve } from '../contract/serve.ts';
import { certify } from './certify-job.ts';
import { chooseDevice } from './choose.ts';
import { listDevices } from './devices.ts';
import { evaluate } from './evaluate-job.ts';
import { exportRun } from './export-job.ts';
import { grow } from './grow-job.ts';
import { sample } from './sample-job.ts';
import { train } from './train-job.ts';

/** Work that ends in its own time once it is told to stop: a run saves before it goes, a growth takes back what it wrote. */
const unfinished = new Set<Promise<void>>();

/** A generator that always runs to its own end, whether or not anybody still listens. */
function whole<T>(events: AsyncGenerator<T>): AsyncIterable<T> {
  const out = queue<T>();
  const work = (async () => {
    try { for await (const event of events) out.push(event); out.end(); } catch (error) { out.fail(error); }
  })();
  unfinished.add(work);
  void work.finally(() => unfinished.delete(work));
  return out;
}

/** A detached run goes on when its starter has gone. */
const detached = process.env['CAMBIUM_DETACHED'] === '1';
const deaf: AbortSignalLike = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

const implementation: Engine = {
  devices: () => listDevices(),
  grow: (input, signal = deaf) => whole(grow(input, signal)),
  async certify({ source, grown, text, device: choice }) {
    const device = await chooseDevice(choice);
    try { return await certify(device, source, grown, text); } finally { await device.dispose(); }
  },
  train: (input, signal = deaf) => whole(train(input, detached ? deaf : signal)),
  sample: (input, signal = deaf) => whole(sample(input, signal)),
  evaluate: (input, signal = deaf) => whole(evaluate(input, signal)),
  export: (input, signal = deaf) => whole(exportRun(input, signal)),
};

const parent = (process as { parentPort?: MainPortLike }).parentPort;
const channel = parent ? mainPortChannel(parent) : childChannel(process as ChildLike);
serve(engine, implementation, channel);
channel.onClose(() => { void Promise.all(unfinished).then(() => { process.exit(0); }); });
