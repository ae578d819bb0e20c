/**
 * @file A process that reads changed inputs, many of one kind after another. Before each it writes its number into a
 * file, so that the process that watches it knows which one ended or hung it.
 */
import { openSync, writeSync } from 'node:fs';
import { AppError } from '../../../src-main/base/errors.ts';
import { createDice } from '../stored/mutate.ts';
import { createTable, type InputKind, type InputTable } from './input-table.ts';

export interface Task {
  readonly table: string;
  readonly name: string;
  /** The folder of the examples. */
  readonly dir: string;
  /** The file for the number of the input. */
  readonly progress: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}
export interface Tally {
  readonly opened: number;
  readonly refused: number;
  /** Seconds of CPU time of the longest input. */
  readonly longest: number;
  /** Most bytes of memory of the whole process. */
  readonly memory: number;
}
export type Report =
  /** What broke the promise. */
  | { readonly type: 'failure'; readonly n: number; readonly why: string }
  | ({ readonly type: 'done' } & Tally);

/** Seconds of CPU time that a reader may take for one input, and bytes of memory of the whole process. */
const maxSeconds = 2;
const maxBytes = 1e9;

const send = (report: Report): unknown => process.send!(report);

function createProgress(path: string): (n: number) => void {
  const file = openSync(path, 'w');
  const number = Buffer.alloc(8);
  return (n) => {
    number.writeDoubleLE(n);
    writeSync(file, number, 0, 8, 0);
  };
}

/** Seconds of CPU time since the start of this process, of all its threads. */
function readCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function readInputs(kind: InputKind, { name, progress, seed, from, to }: Task): Promise<void> {
  const begin = createProgress(progress);
  let opened = 0;
  let refused = 0;
  let longest = 0;
  let memory = 0;
  for (let n = from; n < to; n++) {
    const input = kind.mutate(kind.example, createDice(seed, name, n));
    begin(n);
    const start = readCpuSeconds();
    try {
      await kind.read(input);
      opened++;
    } catch (error) {
      if (error instanceof AppError && error.code !== 'internal') refused++;
      else send({ type: 'failure', n, why: (error as Error).stack ?? String(error) });
    }
    const seconds = readCpuSeconds() - start;
    longest = Math.max(longest, seconds);
    if (seconds > maxSeconds) send({ type: 'failure', n, why: `${seconds.toFixed(1)} s of CPU time` });
    const peak = process.resourceUsage().maxRSS * 1024;
    if (peak > maxBytes && memory <= maxBytes)
      send({ type: 'failure', n, why: `${(peak / 1e6).toFixed(0)} MB of memory` });
    memory = peak;
  }
  // What refuses every file would pass too. The next kind may need this file as it was.
  await kind.read(kind.example).catch((error: unknown) => {
    send({ type: 'failure', n: to, why: `the unchanged example is refused: ${(error as Error).stack!}` });
  });
  send({ type: 'done', opened, refused, longest, memory });
}

let table: Promise<InputTable> | undefined;
process.on('message', (task: Task) => {
  table ??= createTable(task.table, task.dir);
  void table
    .then((kinds) => readInputs(kinds[task.name]!, task))
    .catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
process.send!('ready');
