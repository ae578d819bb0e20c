/** @file What a command is: a function of its context and its arguments that returns an exit code. */
import type { Command } from 'commander';
import { deviceChoices } from '../../base/device.ts';
import type { Service } from '../../contract/service.ts';
import type { Output } from './output.ts';

/** The values of the flags, as commander parses them. */
export type Options = Readonly<Record<string, unknown>>;

export interface Context {
  /** The service of this computer, or of the remote host. */
  readonly api: Service;
  readonly out: Output;
  /** Aborts at the first Ctrl+C. */
  readonly signal: AbortSignal;
  readonly options: Options;
  /** The folder of the built page, for `serve`. */
  readonly pages: string;
  /** Starts waiting runs from now on, in this process. */
  readonly startQueue: () => void;
  /** A command that opens a page in a browser, or null. */
  readonly browser: string | null;
}

/** The work of a command. Its exit code is 0 if it returns undefined. */
export type Work = (context: Context, ...args: string[]) => Promise<number | undefined>;

/** Why a command cannot run on a remote host, as a clause; undefined if it can. */
export type LocalReason = (options: Options) => string | undefined;

/** Adds a command. `run` makes its action; with --host, a command that has a local reason is refused. */
export type AddCommand = (
  program: Command,
  run: (work: Work, localReason?: LocalReason) => (...args: unknown[]) => Promise<void>,
) => void;

export const getText = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;
export const getTexts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
/** Collects the values of a flag that may be repeated. */
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** The arguments of `option` for a flag that every command has. */
export const jsonFlag = [
  '--json',
  'print the result as one JSON object on the last line of standard output',
] as const;
/** The arguments of `option` for the device of a command without training settings. */
export const deviceFlag = ['--device <device>', deviceChoices.join(', '), 'auto'] as const;
