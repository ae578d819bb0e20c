/** @file The command line: its commands, and how their results become exit codes. */
import { Command, CommanderError, Option } from 'commander';
import { createChannelPair, type Channel } from '../../base/channel.ts';
import { createError } from '../../base/errors.ts';
import { connect } from '../../contract/connect.ts';
import { openRemoteChannel } from '../../contract/remote-channel.ts';
import { connectRemote } from '../../contract/remote-service.ts';
import { serve as serveContract } from '../../contract/serve.ts';
import { service as contract } from '../../contract/service.ts';
import type { RunningService } from '../../service/service.ts';
import { findFlag, refuseUsage } from './arguments.ts';
import type { AddCommand, Context, LocalReason, Options, Work } from './command.ts';
import { bakeoff } from './commands/bakeoff.ts';
import { checkpoints } from './commands/checkpoints.ts';
import { completion } from './commands/completion.ts';
import { computer } from './commands/computer.ts';
import { demo } from './commands/demo.ts';
import { download } from './commands/download.ts';
import { estimate } from './commands/estimate.ts';
import { evaluate } from './commands/evaluate.ts';
import { exportRun } from './commands/export.ts';
import { gpu } from './commands/gpu.ts';
import { grow } from './commands/grow.ts';
import { inspect } from './commands/inspect.ts';
import { host } from './commands/host.ts';
import { plan } from './commands/plan.ts';
import { push } from './commands/push.ts';
import { queue } from './commands/queue.ts';
import { runs } from './commands/runs.ts';
import { sample } from './commands/sample.ts';
import { datasets } from './commands/datasets.ts';
import { search } from './commands/search.ts';
import { serve } from './commands/serve.ts';
import { tokenize } from './commands/tokenize.ts';
import { torch } from './commands/torch.ts';
import { train } from './commands/train.ts';
import { tune } from './commands/tune.ts';
import { verify } from './commands/verify.ts';
import { createOutput, exits, type Streams } from './output.ts';

export const commands: readonly AddCommand[] = [
  search,
  datasets,
  download,
  inspect,
  plan,
  grow,
  verify,
  bakeoff,
  estimate,
  tune,
  train,
  runs,
  queue,
  checkpoints,
  sample,
  evaluate,
  tokenize,
  exportRun,
  push,
  computer,
  gpu,
  torch,
  host,
  serve,
  completion,
  demo,
];

export interface ProgramOptions extends Pick<Context, 'signal' | 'pages' | 'browser'> {
  readonly version: string;
  /** Starts the service. `detached`: its engines keep running when this process ends. */
  readonly start: (options: { readonly detached: boolean }) => RunningService;
  readonly streams: Streams;
}

/** Runs one command line (without `node` and the script) and returns its exit code. */
export async function runProgram(argv: readonly string[], options: ProgramOptions): Promise<number> {
  const { streams, version } = options;
  const program = createProgram(version);
  let code: number = exits.ok;
  for (const add of commands)
    add(program, (work, localReason) => async (...given) => {
      code = await runCommand(given.at(-1) as Command, work, localReason, options);
    });
  useStreams(program, streams);
  const out = createOutput(argv.includes('--json'), streams);
  try {
    await program.parseAsync(replaceFormerCommands(argv), { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return out.error(thrown);
    if (thrown.exitCode === 0) return exits.ok;
    if (thrown.code === 'commander.help') {
      streams.err.write(program.helpInformation());
      return exits.usage;
    }
    return out.error(createError('usage', { why: thrown.message.replace(/^error: /, '') }));
  }
  return code;
}

const createProgram = (version: string): Command =>
  new Command('cambium')
    .description('Grow a pre-trained language model, measure what the growth preserves, train it, export it.')
    .version(version)
    .option('--host <name>', 'run the command on this remote host (see host); paths are those of the host')
    .addOption(new Option('--place <name>').hideHelp())
    .addHelpText(
      'after',
      '\nEvery command has --help with examples, and --json.\n' +
        'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check failed, 130 cancelled.',
    );

/** Replaces the command `place` of the last release by `host`. */
function replaceFormerCommands(argv: readonly string[]): readonly string[] {
  const isCommand = (word: string, i: number): boolean =>
    !word.startsWith('-') && !['--host', '--place'].includes(argv[i - 1] ?? '');
  const index = argv.findIndex(isCommand);
  return argv[index] === 'place' ? argv.with(index, 'host') : argv;
}

/** Runs the work of a command with a service, here or on a remote host. */
async function runCommand(
  command: Command,
  work: Work,
  localReason: LocalReason | undefined,
  { streams, start, signal, pages, browser }: ProgramOptions,
): Promise<number> {
  const options: Options = command.optsWithGlobals();
  const isDetached = options['detach'] === true;
  const out = createOutput(options['json'] === true, streams);
  const service = start({ detached: isDetached });
  const [near, far] = createChannelPair();
  const local = connect(contract, near);
  serveContract(contract, service.api, far);
  let remote: Channel | undefined;
  try {
    const hostName = findFlag(options, 'host', 'place')?.text;
    const reason = hostName === undefined ? undefined : localReason?.(options);
    if (reason !== undefined) refuseUsage(`${reason}, so it cannot run with --host`);
    remote = hostName === undefined ? undefined : await openRemoteChannel(local, hostName, signal);
    const api = remote && hostName !== undefined ? connectRemote(remote, hostName) : local;
    const { startQueue } = service;
    const context: Context = { api, out, options, signal, pages, browser, startQueue };
    return (await work(context, ...command.args)) ?? exits.ok;
  } catch (thrown) {
    return out.error(thrown);
  } finally {
    remote?.close();
    if (!isDetached) await service.close();
    near.close();
  }
}

/** Makes commander throw instead of exiting, and print to `streams`. */
function useStreams(program: Command, streams: Streams): void {
  const subcommands = program.commands.flatMap((command) => [command, ...command.commands]);
  for (const command of [program, ...subcommands])
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        streams.out.write(text);
      },
      writeErr: () => undefined,
      getErrHasColors: () => false,
      getOutHasColors: () => false,
    });
}
