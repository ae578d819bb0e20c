/**
 * @file Ends the engine when its parent process is gone, also if it is stuck in native code that cannot be
 * cancelled: a regular expression of a tokenizer may take longer than anybody lives. A thread of its own looks,
 * because the thread that is stuck cannot.
 */
import { Worker } from 'node:worker_threads';

export interface ParentWatch {
  /** Says that there is something to save, so that this process may take its time as long as it is not stuck. */
  protect(): void;
  unprotect(): void;
}

export interface ParentWatchOptions {
  /** Milliseconds between two looks. */
  readonly interval?: number;
  /** Milliseconds after the end of the parent until this process is killed, if there is nothing to save. */
  readonly grace?: number;
  /** Milliseconds without a turn of the event loop after which this process is stuck. */
  readonly stuckAfter?: number;
}

/** The shared numbers: turns of the event loop, and 1 if there is something to save. */
const beats = 0;
const unsaved = 1;

/** Runs in the thread. It is text, because the bundled engine is one file. */
const watcher = `
const { workerData } = require('node:worker_threads');
const { parent, interval, grace, stuckAfter, shared } = workerData;
const numbers = new Int32Array(shared);
const isAlive = () => {
  if (process.ppid !== parent) return false;
  try {
    process.kill(parent, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};
let lastBeat = -1;
let lastTurn = performance.now();
let goneSince;
setInterval(() => {
  const now = performance.now();
  const beat = Atomics.load(numbers, ${beats});
  if (beat !== lastBeat) lastTurn = now;
  lastBeat = beat;
  if (goneSince === undefined && !isAlive()) goneSince = now;
  if (goneSince === undefined) return;
  const isStuck = now - lastTurn > stuckAfter;
  const isIdle = Atomics.load(numbers, ${unsaved}) === 0 && now - goneSince > grace;
  if (isStuck || isIdle) process.kill(process.pid, 'SIGKILL');
}, interval);
`;

/** Starts to watch the parent. Keeps nothing alive. */
export function watchParent({
  interval = 1000,
  grace = 10_000,
  stuckAfter = 60_000,
}: ParentWatchOptions = {}): ParentWatch {
  const shared = new SharedArrayBuffer(8);
  const numbers = new Int32Array(shared);
  const workerData = { parent: process.ppid, interval, grace, stuckAfter, shared };
  new Worker(watcher, {
    eval: true,
    workerData,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16 },
  })
    .on('error', () => undefined)
    .unref();
  setInterval(() => {
    Atomics.add(numbers, beats, 1);
  }, interval).unref();
  return {
    protect() {
      Atomics.store(numbers, unsaved, 1);
    },
    unprotect() {
      Atomics.store(numbers, unsaved, 0);
    },
  };
}
