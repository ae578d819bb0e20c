/** @file What a shell can complete: the commands, their flags and the values of flags, read from the program. */
import type { Command, Option } from 'commander';

export interface CompletedFlag {
  /** `--method`. */
  readonly name: string;
  readonly help: string;
  readonly takesValue: boolean;
  /** Empty: a file, or a value that is not listed. */
  readonly values: readonly string[];
}

/** A command or a subcommand. */
export interface CompletedCommand {
  /** The words behind `cambium`, such as `runs list`; empty for the program. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly help: string }[];
  readonly flags: readonly CompletedFlag[];
}

/** `values` are those of flags that have a list of them. */
export type FlagValues = Readonly<Record<string, readonly string[]>>;

/** The program and all its commands. Hidden flags are left out. */
export function listCompletions(program: Command, values: FlagValues): readonly CompletedCommand[] {
  const globalFlags = program.options.filter(isShown);
  const describe = (command: Command, path: readonly string[]): readonly CompletedCommand[] => [
    {
      path: path.join(' '),
      commands: command.commands.map((child) => ({
        name: child.name(),
        help: firstLine(child.description()),
      })),
      flags: [
        ...[...command.options.filter(isShown), ...(path.length > 0 ? globalFlags : [])].map((option) =>
          describeFlag(option, values),
        ),
        { name: '--help', help: 'show the help of the command', takesValue: false, values: [] },
      ],
    },
    ...command.commands.flatMap((child) => describe(child, [...path, child.name()])),
  ];
  return describe(program, []);
}

const isShown = ({ hidden, long }: Option): boolean => !hidden && typeof long === 'string';

function describeFlag(option: Option, values: FlagValues): CompletedFlag {
  const name = option.long!;
  return {
    name,
    help: firstLine(option.description),
    takesValue: option.required || option.optional,
    values: option.argChoices ?? values[name] ?? [],
  };
}

/** The first sentence or clause, short enough for a list. */
const firstLine = (text: string): string =>
  text
    .split(/[;:\n(]/)[0]!
    .trim()
    .slice(0, 80);
