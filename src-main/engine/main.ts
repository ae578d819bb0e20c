/**
 * @file Entry point of the engine process. Serves the engine contract to the parent process, and exits when the
 * parent is gone and the jobs have ended.
 */
import {
  createChildChannel,
  createMainPortChannel,
  type ChildLike,
  type MainPortLike,
} from '../base/transports.ts';
import { createQueue } from '../base/queue.ts';
import { createAborter, type AbortSignalLike, anySignal, neverAborts } from '../base/signals.ts';
import { engine, type Engine } from '../contract/engine.ts';
import { serve } from '../contract/serve.ts';
import { certifyJob } from './grow/certify-job.ts';
import { evaluateChoices } from './infer/choices-job.ts';
import { chooseDevice } from './device/choose.ts';
import { listDevices } from './device/devices.ts';
import { listNativeLibraries } from './ort/cuda-libraries.ts';
import { checkReading } from './infer/check-job.ts';
import { evaluate } from './infer/evaluate-job.ts';
import { exportRun } from './export/export-job.ts';
import { exportGguf } from './export/gguf-job.ts';
import { exportOnnx } from './export/onnx-job.ts';
import { grow } from './grow/grow-job.ts';
import { writeLogits } from './infer/logits-job.ts';
import { sample } from './infer/sample-job.ts';
import { windowLosses } from './infer/window-losses-job.ts';
import { measureSpeed } from './device/speed-test.ts';
import { watchParent } from './parent-watch.ts';
import { countTokens } from './text/count-job.ts';
import { preview } from './text/preview-job.ts';
import { tokenize } from './text/tokenize-job.ts';
import { train } from './train/train-job.ts';
import { tune } from './tune/tune-job.ts';

/** Jobs that have not ended. A cancelled run still saves a checkpoint, a cancelled growth removes its files. */
const activeJobs = new Set<Promise<void>>();

/** Runs a job to its end, even if nobody reads its events any more. */
function runToCompletion<T>(
  events: AsyncGenerator<T>,
  onEvent: (event: T) => void = () => undefined,
): AsyncIterable<T> {
  const queue = createQueue<T>();
  const job = (async () => {
    try {
      for await (const event of events) {
        onEvent(event);
        queue.push(event);
      }
      queue.end();
    } catch (error) {
      queue.fail(error);
    }
  })();
  activeJobs.add(job);
  void job.finally(() => activeJobs.delete(job));
  return queue;
}

/** A detached run continues after its parent process has exited. */
const isDetached = process.env['CAMBIUM_DETACHED'] === '1';
const parentWatch = isDetached ? undefined : watchParent();
/** Cancels every job when the system asks this process to end. */
const shutdown = createAborter();
const orShutdown = (signal: AbortSignalLike = neverAborts): AbortSignalLike =>
  anySignal(signal, shutdown.signal);

function exitAfterJobs(): void {
  void Promise.all(activeJobs).then(() => {
    process.exit(0);
  });
}

const exporters = { safetensors: exportRun, onnx: exportOnnx, gguf: exportGguf } as const;

const implementation: Engine = {
  devices: () => listDevices(),
  libraries: () => Promise.resolve(listNativeLibraries()),
  async measure({ device: choice }) {
    const device = await chooseDevice(choice);
    try {
      return { device: device.kind, name: device.name, measured: await measureSpeed(device) };
    } finally {
      await device.dispose();
    }
  },
  grow: (input, signal) => runToCompletion(grow(input, orShutdown(signal))),
  certify: (input, signal) => runToCompletion(certifyJob(input, orShutdown(signal))),
  check: (input, signal) => checkReading(input, orShutdown(signal)),
  logits: (input, signal) => writeLogits(input, orShutdown(signal)),
  // An engine trains one run, and ends after it. Once it has started, there is something to save.
  train: (input, signal) =>
    runToCompletion(train(input, isDetached ? shutdown.signal : orShutdown(signal)), ({ type }) => {
      if (type === 'started') parentWatch?.protect();
      else if (type === 'stopped') parentWatch?.unprotect();
    }),
  tune: (input, signal) => runToCompletion(tune(input, orShutdown(signal))),
  windowLosses: (input, signal) => windowLosses(input, orShutdown(signal)),
  sample: (input, signal) => runToCompletion(sample(input, orShutdown(signal))),
  evaluate: (input, signal) => runToCompletion(evaluate(input, orShutdown(signal))),
  evaluateChoices: (input, signal) => runToCompletion(evaluateChoices(input, orShutdown(signal))),
  tokenizeText: (input, signal) => runToCompletion(tokenize(input, orShutdown(signal))),
  previewText: (input, signal) => runToCompletion(preview(input, orShutdown(signal))),
  countTokens: (input, signal) => countTokens(input, orShutdown(signal)),
  export(input, signal) {
    const exportTo = exporters[input.format ?? 'safetensors'];
    return runToCompletion(exportTo(input, orShutdown(signal)));
  },
};

const parent = (process as unknown as { parentPort?: MainPortLike }).parentPort;
const channel = parent ? createMainPortChannel(parent) : createChildChannel(process as ChildLike);
serve(engine, implementation, channel);
channel.onClose(exitAfterJobs);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    shutdown.abort();
    exitAfterJobs();
  });
