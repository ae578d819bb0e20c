/** @file A process that reads changed inputs of one parser, and says before each which one comes. */
import { join } from 'node:path';
import { AppError } from '../../../src-main/base/errors.ts';
import { createDice } from '../stored/mutate.ts';
import { createParsers } from './parsers.ts';

export interface Task {
  readonly name: string;
  readonly dir: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}
export type Report =
  | { readonly type: 'input'; readonly n: number }
  /** What broke the promise. */
  | { readonly type: 'failure'; readonly n: number; readonly why: string }
  | {
      readonly type: 'done';
      readonly opened: number;
      readonly refused: number;
      readonly longest: number;
      readonly memory: number;
    };

/** Seconds of CPU time that a parser may take for one input, and bytes of memory of the whole process. */
const maxSeconds = 2;
const maxBytes = 1e9;

async function work({ name, dir, seed, from, to }: Task): Promise<void> {
  const send = (report: Report): unknown => process.send!(report);
  const parser = (await createParsers(join(dir, String(from))))[name]!;
  let opened = 0;
  let refused = 0;
  let longest = 0;
  let memory = 0;
  for (let n = from; n < to; n++) {
    const input = parser.mutate(parser.example, createDice(seed, name, n));
    send({ type: 'input', n });
    const start = process.cpuUsage();
    try {
      await parser.read(input);
      opened++;
    } catch (error) {
      if (error instanceof AppError && error.code !== 'internal') refused++;
      else send({ type: 'failure', n, why: (error as Error).stack ?? String(error) });
    }
    const { user, system } = process.cpuUsage(start);
    const seconds = (user + system) / 1e6;
    longest = Math.max(longest, seconds);
    if (seconds > maxSeconds) send({ type: 'failure', n, why: `${seconds.toFixed(1)} s of CPU time` });
    const peak = process.resourceUsage().maxRSS * 1024;
    if (peak > maxBytes && memory <= maxBytes)
      send({ type: 'failure', n, why: `${(peak / 1e6).toFixed(0)} MB of memory` });
    memory = peak;
  }
  send({ type: 'done', opened, refused, longest, memory });
}

process.on('message', (task: Task) => {
  void work(task).then(() => {
    process.disconnect();
  });
});
process.send!('ready');
