/** @file Changes files and messages, and reads them in a process that is watched. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TortureOptions, TortureReport } from '../torture.ts';
import type { Report, Tally, Task } from './child.ts';
import { createTable } from './input-table.ts';

/** Milliseconds on one input after which its reader hangs, and between two looks. The machine may be busy. */
const hangTime = 60_000;
const lookTime = 2000;
const maxFailures = 10;
/** Inputs of a kind from which on it gets a process of its own, whose memory is then that of this kind alone. */
const manyInputs = 1000;

interface Watched {
  readonly child: ChildProcess;
  readonly ended: Promise<string>;
}

async function start(): Promise<Watched> {
  const child = fork(join(import.meta.dirname, 'child.ts'), [], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A child has no test runner, also if this process has one. It reads one file at a time: a second thread for
    // files would only make them wait for each other.
    env: { ...process.env, VITEST: '', UV_THREADPOOL_SIZE: '1' },
  });
  // The last messages may arrive after the exit.
  const ended = Promise.all([once(child, 'exit'), once(child, 'disconnect')]).then(([exit]) => {
    const [code, signal] = exit as [number | null, string | null];
    return signal ?? `exit code ${code}`;
  });
  await once(child, 'message');
  return { child, ended };
}

/** The number of the input that a child reads, or read last; -1 before the first. */
function readProgress({ progress, from }: Task): number {
  try {
    return readFileSync(progress).readDoubleLE(0);
  } catch {
    return from - 1;
  }
}

/** Kills a child that stays at one input. Returns a function that ends the watch. */
function watch(child: ChildProcess, task: Task): () => void {
  let last = -1;
  let since = performance.now();
  const timer = setInterval(() => {
    const now = readProgress(task);
    if (now !== last) since = performance.now();
    last = now;
    if (performance.now() - since > hangTime) child.kill('SIGKILL');
  }, lookTime);
  return () => {
    clearInterval(timer);
  };
}

/** Sends a task; returns its tally, or how the child ended before. */
async function send({ child, ended }: Watched, task: Task, fail: Fail): Promise<Tally | string> {
  const unwatch = watch(child, task);
  let receive: ((report: Report) => void) | undefined;
  const done = new Promise<Tally>((resolve) => {
    receive = (report) => {
      if (report.type === 'done') resolve(report);
      else if (fail(report.n, report.why)) child.kill('SIGKILL');
    };
    child.on('message', receive);
  });
  child.send(task);
  try {
    return await Promise.race([done, ended]);
  } finally {
    unwatch();
    child.off('message', receive!);
  }
}

/** Notes what broke the promise; true once there are enough of them. */
type Fail = (n: number, why: string) => boolean;

interface Outcome extends Tally {
  readonly failures: readonly string[];
}

interface Reader {
  read(task: Task): Promise<Outcome>;
  end(): Promise<void>;
}

/** Reads the inputs of one kind after another. One that ends or hangs the process is a failure; the next follow. */
function createReader(): Reader {
  let current: Watched | undefined;
  return {
    async read(task) {
      const failures: string[] = [];
      const fail: Fail = (n, why) =>
        failures.push(`${task.name}, input ${n} of seed ${task.seed}: ${why}`) >= maxFailures;
      let { from } = task;
      for (let part = 0; ; part++) {
        current ??= await start();
        const ofPart = { ...task, from, dir: join(task.dir, String(current.child.pid)) };
        const found = await send(current, ofPart, fail);
        if (typeof found !== 'string') return { ...found, failures };
        current = undefined;
        const last = readProgress(ofPart);
        if (failures.length < maxFailures) fail(last, `the process ended or hung: ${found}`);
        from = last + 1;
        if (from >= task.to || failures.length >= maxFailures || last < ofPart.from)
          return { opened: 0, refused: 0, longest: 0, memory: 0, failures };
      }
    },
    async end() {
      if (!current) return;
      current.child.disconnect();
      await current.ended;
      current = undefined;
    },
  };
}

/** Reads `count` changed inputs of each kind of a table. */
export async function readChangedInputs(
  table: string,
  { count, seed, only, scratch, note }: TortureOptions,
): Promise<TortureReport> {
  const names = Object.keys(await createTable(table, join(scratch, 'names')));
  const lines: string[] = [];
  const failures: string[] = [];
  const reader = createReader();
  for (const name of names) {
    if (only.length > 0 && !only.includes(name)) continue;
    const progress = join(scratch, 'progress');
    const outcome = await reader.read({ table, name, dir: scratch, progress, seed, from: 0, to: count });
    if (count >= manyInputs) await reader.end();
    const { opened, refused, longest, memory } = outcome;
    const cost = `longest ${longest.toFixed(2)} s, ${(memory / 1e6).toFixed(0)} MB at most`;
    const line = `${name}: ${opened} opened, ${refused} refused with a typed error, ${cost}`;
    lines.push(line);
    note(`${outcome.failures.length === 0 ? '✓' : '✗'} ${line}`);
    failures.push(...outcome.failures);
  }
  await reader.end();
  return { lines, failures };
}
