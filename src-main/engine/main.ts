/**
 * @file The engine's process: serves its contract to whoever started it, and ends when they go or the work is
 * done.
 */
import { childChannel, mainPortChannel, type ChildLike, type MainPortLike } from '../base/transports.ts';
import { queue } from '../base/queue.ts';
import { aborter, type AbortSignalLike, anyOf, deaf } from '../base/signals.ts';
import { engine, type Engine } from '../contract/engine.ts';
import { serve } from '../contract/serve.ts';
import { certify } from './grow/certify-job.ts';
import { answerChoices } from './infer/choices-job.ts';
import { chooseDevice } from './device/choose.ts';
import { listDevices } from './device/devices.ts';
import { nativeLibraries } from './ort/cuda-libraries.ts';
import { evaluate } from './infer/evaluate-job.ts';
import { exportRun } from './export/export-job.ts';
import { exportOnnx } from './export/onnx-job.ts';
import { grow } from './grow/grow-job.ts';
import { sample } from './infer/sample-job.ts';
import { measureSpeed } from './device/speed-test.ts';
import { train } from './train/train-job.ts';

/**
 * Work that ends in its own time once it is told to stop: a run saves before it goes, a growth takes back
 * what it wrote.
 */
const unfinished = new Set<Promise<void>>();

/** A generator that always runs to its own end, whether or not anybody still listens. */
function whole<T>(events: AsyncGenerator<T>): AsyncIterable<T> {
  const out = queue<T>();
  const work = (async () => {
    try {
      for await (const event of events) out.push(event);
      out.end();
    } catch (error) {
      out.fail(error);
    }
  })();
  unfinished.add(work);
  void work.finally(() => unfinished.delete(work));
  return out;
}

/** A detached run goes on when its starter has gone. */
const detached = process.env['CAMBIUM_DETACHED'] === '1';
/** The system asked this process to end: what runs is told to stop, saves, and only then the process goes. */
const leaving = aborter();
const until = (signal: AbortSignalLike = deaf): AbortSignalLike => anyOf(signal, leaving.signal);
const leave = (): void => {
  void Promise.all(unfinished).then(() => {
    process.exit(0);
  });
};

const implementation: Engine = {
  devices: () => listDevices(),
  libraries: () => Promise.resolve(nativeLibraries()),
  async measure({ device: choice }) {
    const device = await chooseDevice(choice);
    try {
      return { device: device.kind, name: device.name, measured: await measureSpeed(device) };
    } finally {
      await device.dispose();
    }
  },
  grow: (input, signal) => whole(grow(input, until(signal))),
  async certify({ source, grown, text, device: choice }, signal) {
    const device = await chooseDevice(choice);
    try {
      return await certify(device, source, grown, { text, signal: until(signal) });
    } finally {
      await device.dispose();
    }
  },
  train: (input, signal) => whole(train(input, detached ? leaving.signal : until(signal))),
  sample: (input, signal) => whole(sample(input, until(signal))),
  evaluate: (input, signal) => whole(evaluate(input, until(signal))),
  choices: (input, signal) => whole(answerChoices(input, until(signal))),
  export: (input, signal) => whole((input.format === 'onnx' ? exportOnnx : exportRun)(input, until(signal))),
};

const parent = (process as unknown as { parentPort?: MainPortLike }).parentPort;
const channel = parent ? mainPortChannel(parent) : childChannel(process as ChildLike);
serve(engine, implementation, channel);
channel.onClose(leave);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    leaving.abort();
    leave();
  });
