/**
 * @file What every command gets, and what becomes of what it does: the service, an output, a signal; an exit
 * code.
 */
import type { Command } from 'commander';
import type { Service } from '../../contract/service.ts';
import type { Output } from './output.ts';

export interface Context {
  readonly api: Service;
  readonly out: Output;
  /** Goes off at the first Ctrl+C. */
  readonly signal: AbortSignal;
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the built page is, for `serve`. */
  readonly pages: string;
  /** A browser's command, or null. */
  readonly browser: string | null;
}

/** The work of a command: its arguments as typed, and the exit code, 0 unless it says otherwise. */
export type Work = (context: Context, ...args: string[]) => Promise<number | undefined>;

/** What ties a command to this computer, in words; undefined where it can be done on a place as well. */
export type OnlyHere = (options: Context['options']) => string | undefined;

/** Adds one command; `run` ties it to its work, which is refused with --place where `onlyHere` has words. */
export type AddCommand = (
  program: Command,
  run: (work: Work, onlyHere?: OnlyHere) => (...args: unknown[]) => Promise<void>,
) => void;

export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
export const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];
