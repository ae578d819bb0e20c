/** @file The command line as a whole: which commands there are, and how each one's end becomes an exit code. */
import { Command, CommanderError } from 'commander';
import { channelPair } from '../../base/channel.ts';
import { appError } from '../../base/errors.ts';
import { connect } from '../../contract/connect.ts';
import { serve as answer } from '../../contract/serve.ts';
import { service as contract } from '../../contract/service.ts';
import type { RunningService } from '../../service/service.ts';
import type { AddCommand, Context, Work } from './command.ts';
import { computer } from './commands/computer.ts';
import { demo } from './commands/demo.ts';
import { evaluate } from './commands/evaluate.ts';
import { exportRun } from './commands/export.ts';
import { grow } from './commands/grow.ts';
import { inspect } from './commands/inspect.ts';
import { plan } from './commands/plan.ts';
import { runs } from './commands/runs.ts';
import { sample } from './commands/sample.ts';
import { serve } from './commands/serve.ts';
import { train } from './commands/train.ts';
import { verify } from './commands/verify.ts';
import { createOutput, exits, type Streams } from './output.ts';

export const commands: readonly AddCommand[] = [inspect, plan, grow, verify, train, runs, sample, evaluate, exportRun, computer, serve, demo];

export interface Setting extends Pick<Context, 'signal' | 'pages' | 'browser'> {
  readonly version: string;
  /** Made when a command needs it; `detached`: its engines go on when this process ends. */
  readonly start: (options: { readonly detached: boolean }) => RunningService;
  readonly streams: Streams;
}

/** Runs one command line (without `node` and the script) and answers its exit code. */
export async function runProgram(argv: readonly string[], setting: Setting): Promise<number> {
  let code: number = exits.ok;
  const { streams, start, version, ...rest } = setting;
  const bare = createOutput(argv.includes('--json'), streams);
  const program = new Command('cambium')
    .description('Grow a pre-trained language model, prove that it computes the same function, train it, export it.')
    .version(version)
    .addHelpText('after', '\nEvery command has --help with examples, and --json.\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not proven, 130 cancelled.');

  const run = (work: Work) => async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command, options = command.opts<Record<string, unknown>>();
    const out = createOutput(options['json'] === true, streams), running = start({ detached: options['detach'] === true });
    const [near, far] = channelPair();
    answer(contract, running.api, far);
    try {
      code = await work({ api: connect(contract, near), out, options, ...rest }, ...command.args) ?? exits.ok;
    } catch (thrown) {
      code = out.error(thrown);
    } finally {
      if (options['detach'] !== true) await running.close();
      near.close();
    }
  };
  for (const add of commands) add(program, run);
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: (text) => { streams.out.write(text); }, writeErr: () => undefined, getErrHasColors: () => false, getOutHasColors: () => false });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return bare.error(thrown);
    if (thrown.exitCode === 0) return exits.ok;
    if (thrown.code === 'commander.help') { streams.err.write(program.helpInformation()); return exits.usage; }
    return bare.error(appError('usage', { why: thrown.message.replace(/^error: /, '') }));
  }
  return code;
}
