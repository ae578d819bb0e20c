/** @file Runs a measurement in its own process and reads its result. */
import { spawnSync } from 'node:child_process';

/** Runs a command and parses the JSON object in the last line of its output. Throws if the command fails. */
export function runChild<T>(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): T {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...process.env, TOKENIZERS_PARALLELISM: 'false', ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args[0] ?? ''} failed:\n${stderr.slice(-2000)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}

/** The median; of an even number of values, the upper of the two in the middle. */
export const medianOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
