/** @file Runs command lines in memory against a test service, and records their output. */
import { runProgram } from '../../../src-main/entry/node/program.ts';
import type { TestService } from '../../support/test-service.ts';

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The JSON object on the last line of standard output. */
  last<T = Record<string, unknown>>(): T;
}

export interface RunCommandOptions {
  readonly signal?: AbortSignal;
}

/** Runs `cambium` with these arguments. Every command has its own service with the same home and engines. */
export async function runCommand(
  { dir, restart }: Pick<TestService, 'dir' | 'restart'>,
  argv: readonly string[],
  { signal = new AbortController().signal }: RunCommandOptions = {},
): Promise<CommandResult> {
  let out = '';
  let err = '';
  const code = await runProgram(argv, {
    version: '1.2.3',
    signal,
    pages: dir,
    browser: null,
    start: () => restart(),
    streams: {
      out: {
        write(text) {
          out += text;
        },
      },
      err: {
        isTTY: false,
        columns: 100,
        write(text) {
          err += text;
        },
      },
    },
  });
  return { code, out, err, last: <T>() => JSON.parse(out.trimEnd().split('\n').at(-1)!) as T };
}
