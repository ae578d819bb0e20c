/**
 * @file The command line as a whole: which commands there are, and how each one's end becomes an exit code.
 */
import { Command, CommanderError } from 'commander';
import { channelPair, type Channel } from '../../base/channel.ts';
import { appError, refuse } from '../../base/errors.ts';
import { connect } from '../../contract/connect.ts';
import { placeChannel } from '../../contract/remote-channel.ts';
import { serve as answer } from '../../contract/serve.ts';
import { service as contract } from '../../contract/service.ts';
import type { RunningService } from '../../service/service.ts';
import type { AddCommand, Context, OnlyHere, Work } from './command.ts';
import { computer } from './commands/computer.ts';
import { demo } from './commands/demo.ts';
import { download } from './commands/download.ts';
import { estimate } from './commands/estimate.ts';
import { evaluate } from './commands/evaluate.ts';
import { exportRun } from './commands/export.ts';
import { gpu } from './commands/gpu.ts';
import { grow } from './commands/grow.ts';
import { inspect } from './commands/inspect.ts';
import { place } from './commands/host.ts';
import { plan } from './commands/plan.ts';
import { push } from './commands/push.ts';
import { runs } from './commands/runs.ts';
import { sample } from './commands/sample.ts';
import { search } from './commands/search.ts';
import { serve } from './commands/serve.ts';
import { train } from './commands/train.ts';
import { verify } from './commands/verify.ts';
import { createOutput, exits, type Streams } from './output.ts';

export const commands: readonly AddCommand[] = [
  search,
  download,
  inspect,
  plan,
  grow,
  verify,
  estimate,
  train,
  runs,
  sample,
  evaluate,
  exportRun,
  push,
  computer,
  gpu,
  place,
  serve,
  demo,
];

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
    .description(
      'Grow a pre-trained language model, prove that it computes the same function, train it, export it.',
    )
    .version(version)
    .option('--place <name>', "do it on this GPU box (see place); paths are the box's")
    .addHelpText(
      'after',
      '\nEvery command has --help with examples, and --json.\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not proven, 130 cancelled.',
    );

  const run =
    (work: Work, onlyHere: OnlyHere = () => undefined) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<Record<string, unknown>>();
      const out = createOutput(options['json'] === true, streams);
      const running = start({ detached: options['detach'] === true });
      const [near, far] = channelPair();
      const here = connect(contract, near);
      answer(contract, running.api, far);
      let there: Channel | undefined;
      try {
        const tie = options['place'] === undefined ? undefined : onlyHere(options);
        if (tie !== undefined) refuse('usage', { why: `${tie}, so it takes no --place` });
        there =
          typeof options['place'] === 'string'
            ? await placeChannel(here, options['place'], rest.signal)
            : undefined;
        code =
          (await work(
            { api: there ? connect(contract, there) : here, out, options, ...rest },
            ...command.args,
          )) ?? exits.ok;
      } catch (thrown) {
        code = out.error(thrown);
      } finally {
        there?.close();
        if (options['detach'] !== true) await running.close();
        near.close();
      }
    };
  for (const add of commands) add(program, run);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((c) => c.commands)]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        streams.out.write(text);
      },
      writeErr: () => undefined,
      getErrHasColors: () => false,
      getOutHasColors: () => false,
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return bare.error(thrown);
    if (thrown.exitCode === 0) return exits.ok;
    if (thrown.code === 'commander.help') {
      streams.err.write(program.helpInformation());
      return exits.usage;
    }
    return bare.error(appError('usage', { why: thrown.message.replace(/^error: /, '') }));
  }
  return code;
}
