/** @file Checks whether a process is alive, and whether a process id still belongs to the same process. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/**
 * True when a process with this id runs on this machine. A zombie counts as dead: inside a container, its parent
 * may never collect the exit code.
 */
export function isProcessAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return readProcStat(pid)?.[0] !== 'Z';
}

/**
 * Fields of /proc/PID/stat from the third (the state) on. Undefined on other systems than Linux, and when
 * there is no such process.
 */
function readProcStat(pid: number): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses; it may contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Identifies a process: an id alone is not enough, because the system reuses it. */
export interface ProcessMark {
  readonly pid: number;
  /** From `getProcessStart`; null on systems without it. */
  readonly born: string | null;
}

/** The last sign of life of a process. */
export interface Heartbeat {
  /** Names the process between calls, such as the path of its state file. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/**
 * When a process started: the boot id and the clock ticks since boot. Null on other systems than Linux, and
 * when there is no such process.
 */
export function getProcessStart(pid: number): string | null {
  const startTicks = readProcStat(pid)?.[19]; // field 22 of /proc/PID/stat
  if (startTicks === undefined) return null;
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${startTicks}`;
  } catch {
    return null;
  }
}

/**
 * A process counts as dead after this many milliseconds without a heartbeat, measured by a clock that stops
 * while the computer sleeps. It is long because a single training step can block for minutes.
 */
const heartbeatTimeout = 10 * 60_000;

/** The last heartbeat seen of each process, and the time (`performance.now()`) at which it was first seen. */
const lastSeen = new Map<string, { readonly heartbeat: number; readonly seenAt: number }>();

/**
 * True when the process of `mark` is still alive. Where the system does not report when a process started, it
 * counts as alive while its heartbeat changes between calls, or has been watched for less than ten minutes.
 */
export function isSameProcessAlive({ pid, born }: ProcessMark, { key, time: heartbeat }: Heartbeat): boolean {
  if (!isProcessAlive(pid)) {
    lastSeen.delete(key);
    return false;
  }
  const start = getProcessStart(pid);
  if (start !== null) {
    if (born !== null) return born === start;
    // Older versions of Cambium wrote no start time.
    return Math.abs(Date.now() - heartbeat) < heartbeatTimeout;
  }
  const bootTime = Date.now() - (uptime() + 60) * 1000;
  if (heartbeat < bootTime) return false;
  const last = lastSeen.get(key);
  if (last?.heartbeat !== heartbeat) {
    lastSeen.set(key, { heartbeat, seenAt: performance.now() });
    return true;
  }
  return performance.now() - last.seenAt < heartbeatTimeout;
}
