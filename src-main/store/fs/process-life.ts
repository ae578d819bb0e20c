/**
 * @file Whether the process that wrote a mark still lives. Its number may be another one's by now, and the
 * clock on the wall may have jumped (a laptop slept): neither number nor clock is trusted alone.
 */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { isAlive, statOf } from './files.ts';

/** A process by its number and, where the system tells, the moment it began. */
export interface ProcessMark {
  readonly pid: number;
  readonly born: string | null;
}

/**
 * When process `pid` of this computer began: the boot and the tick since then. Null where the system does not
 * tell, or there is no such process.
 */
export function bornOf(pid: number): string | null {
  const ticks = statOf(pid)?.[19]; // field 22
  try {
    return ticks === undefined
      ? null
      : `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${ticks}`;
  } catch {
    return null;
  }
}

/**
 * How long beats may stay away, in milliseconds of a clock that stands still while the computer sleeps,
 * before a process counts as gone. A step may block for long.
 */
const patience = 10 * 60_000;
/** What was last seen of each mark, and when. */
const seen = new Map<string, { readonly beats: number; readonly at: number }>();

/**
 * Whether the process of a mark is the same that lives now. Where the system does not tell, it lives as long
 * as its `beats` change before our eyes, or have not been watched for long.
 */
export function lives(
  { pid, born }: ProcessMark,
  { of, beats }: { readonly of: string; readonly beats: number },
): boolean {
  if (!isAlive(pid)) {
    seen.delete(of);
    return false;
  }
  const now = bornOf(pid);
  // a mark without: of a Cambium that did not write it
  if (now !== null) return born === null ? Math.abs(Date.now() - beats) < patience : born === now;
  if (beats < Date.now() - (uptime() + 60) * 1000) return false; // the computer began after the last beat
  const before = seen.get(of);
  if (before?.beats !== beats) {
    seen.set(of, { beats, at: performance.now() });
    return true;
  }
  return performance.now() - before.at < patience;
}
