/** @file Changes files and messages that others write, and reads them in a process that is watched. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import type { Report, Task } from './child.ts';
import { createParsers } from './parsers.ts';

/** Milliseconds without a sign of life after which a parser hangs. The machine may be busy. */
const hangTime = 60_000;
const maxFailures = 10;

interface Outcome {
  opened: number;
  refused: number;
  longest: number;
  memory: number;
  readonly failures: string[];
}

/** Reads the inputs of one parser. An input that ends or hangs the process is a failure; the next ones follow. */
async function readInputs(task: Task, outcome: Outcome): Promise<void> {
  const child = fork(join(import.meta.dirname, 'child.ts'), [], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A child has no test runner, also if this process has one.
    env: { ...process.env, VITEST: '' },
  });
  await once(child, 'message');
  let last = task.from - 1;
  let isDone = false;
  let timer: NodeJS.Timeout | undefined;
  const fail = (n: number, why: string): unknown =>
    outcome.failures.push(`${task.name}, input ${n} of seed ${task.seed}: ${why}`);
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill('SIGKILL'), hangTime);
  };
  child.on('message', (report: Report) => {
    watch();
    if (report.type === 'input') last = report.n;
    else if (report.type === 'failure') {
      fail(report.n, report.why);
      if (outcome.failures.length >= maxFailures) child.kill('SIGKILL');
    } else {
      isDone = true;
      outcome.opened += report.opened;
      outcome.refused += report.refused;
      outcome.longest = Math.max(outcome.longest, report.longest);
      outcome.memory = Math.max(outcome.memory, report.memory);
    }
  });
  watch();
  child.send(task);
  // The last messages may arrive after the exit.
  const [exit] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  const [code, signal] = exit as [number | null, string | null];
  clearTimeout(timer);
  if (isDone || outcome.failures.length >= maxFailures) return;
  fail(last, `the process ended or hung: ${signal ?? `exit code ${code}`}`);
  if (last + 1 < task.to) await readInputs({ ...task, from: last + 1 }, outcome);
}

async function run({ count, seed, only, scratch, note }: TortureOptions): Promise<TortureReport> {
  const names = Object.keys(await createParsers(join(scratch, 'names')));
  const lines: string[] = [];
  const failures: string[] = [];
  for (const [i, name] of names.entries()) {
    if (only.length > 0 && !only.includes(name)) continue;
    const outcome: Outcome = { opened: 0, refused: 0, longest: 0, memory: 0, failures: [] };
    await readInputs({ name, dir: join(scratch, String(i)), seed, from: 0, to: count }, outcome);
    const { opened, refused, longest, memory } = outcome;
    const cost = `longest ${longest.toFixed(2)} s, ${(memory / 1e6).toFixed(0)} MB at most`;
    const line = `${name}: ${opened} opened, ${refused} refused with a typed error, ${cost}`;
    lines.push(line);
    note(`${outcome.failures.length === 0 ? '✓' : '✗'} ${line}`);
    failures.push(...outcome.failures);
  }
  return { lines, failures };
}

export const parsers: Torture = {
  promise: 'A damaged or hostile file opens, or is refused with a typed error, within 2 s and 1 GB.',
  count: 100_000,
  run,
};
