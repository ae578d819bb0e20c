/**
 * @file Names a process so that other processes, containers and machines can judge whether it still lives. A
 * process id alone is not enough: it is reused, and means nothing in another PID namespace or on another host.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

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

/** A small file of /proc or /etc; undefined where there is none. */
function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}

/**
 * Fields of /proc/PID/stat from the third (the state) on. Undefined on other systems than Linux, and when
 * there is no such process.
 */
function readProcStat(pid: number): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  const stat = readIfPresent(`/proc/${pid}/stat`);
  // The second field is the command in parentheses; it may contain spaces and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const readBootId = (): string | undefined => readIfPresent('/proc/sys/kernel/random/boot_id');

/**
 * When a process started: the boot id and the clock ticks since boot. Null on other systems than Linux, and
 * when there is no such process.
 */
export function getProcessStart(pid: number): string | null {
  const startTicks = readProcStat(pid)?.[19]; // field 22 of /proc/PID/stat
  const bootId = startTicks === undefined ? undefined : readBootId();
  return bootId === undefined ? null : `${bootId} ${startTicks!}`;
}

const hash = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8);

/** The PID namespace that Linux boots with; its number is fixed in the kernel. */
const firstNamespace = 'pid:[4026531836]';

/** Where process ids are comparable: `system` until a restart of the computer, `machine` across restarts. */
interface Place {
  readonly system: string;
  /** Null inside a container, because several of them may claim the same name and machine id. */
  readonly machine: string | null;
}

let ownPlace: Place | undefined;

function findPlace(): Place {
  const bootId = process.platform === 'linux' ? readBootId() : undefined;
  if (bootId === undefined) return { system: hash(hostname()), machine: hash(hostname()) };
  let namespace: string;
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    namespace = '';
  }
  const machineId = readIfPresent('/etc/machine-id') ?? '';
  const isNamed = namespace === firstNamespace && machineId !== '';
  return { system: hash(bootId, namespace), machine: isNamed ? hash(hostname(), machineId) : null };
}

/** Identifies a process. */
export interface ProcessMark {
  readonly pid: number;
  /** From `getProcessStart`; null on systems without it. */
  readonly born: string | null;
  /** A hash of the boot id and the PID namespace, or of the host name. Earlier versions of Cambium had none. */
  readonly system?: string;
  /** A hash of host name and machine id; null when the machine cannot be told from others. */
  readonly machine?: string | null;
}

/** The mark of this process. */
export function markOwnProcess(): Required<ProcessMark> {
  ownPlace ??= findPlace();
  return { pid: process.pid, born: getProcessStart(process.pid), ...ownPlace };
}

/** True if the process of `mark` ran where its id means something here: this boot, and this PID namespace. */
export const isOwnSystem = ({ system }: ProcessMark): boolean =>
  system === undefined || system === markOwnProcess().system;

/** The last sign of life of a process. */
export interface Heartbeat {
  /** Names the process between calls, such as the path of its state file. */
  readonly key: string;
  /** Milliseconds since 1970 by the clock of that process. Only changes of it count. */
  readonly time: number;
}

/** `unknown`: no sign of life was seen yet, but the process has not been watched for long enough either. */
export type Verdict = 'alive' | 'dead' | 'unknown';

/**
 * Milliseconds after which a process without a heartbeat counts as dead, by a clock that stops while the computer
 * sleeps. On this machine it is long, because a single training step can block for minutes. A process elsewhere
 * that was only blocked notices that its lock is gone, and stops.
 */
const localTimeout = 10 * 60_000;
const foreignTimeout = 2 * 60_000;

/** The last heartbeat seen of each process, and the time (`performance.now()`) at which it was first seen. */
const watched = new Map<
  string,
  { readonly heartbeat: number; readonly since: number; readonly moved: boolean }
>();

/** Forgets what was seen of a process, for watchers that were themselves blocked. */
export const forgetHeartbeat = (key: string): void => {
  watched.delete(key);
};

/** Judges a process by whether its heartbeat changes between calls. */
export function judgeHeartbeat({ key, time }: Heartbeat, timeout = foreignTimeout): Verdict {
  const now = performance.now();
  const last = watched.get(key);
  if (last?.heartbeat !== time) {
    watched.set(key, { heartbeat: time, since: now, moved: last !== undefined });
    return last ? 'alive' : 'unknown';
  }
  if (now - last.since >= timeout) return 'dead';
  return last.moved ? 'alive' : 'unknown';
}

/** The clock ticks in a `born`, which names of folders hold without the boot id. */
const ticksOf = (born: string): string => born.slice(born.lastIndexOf(' ') + 1);

/** Compares a `born`, with or without its boot id, with the start of a process. */
const isSameStart = (born: string, start: string): boolean =>
  born.includes(' ') ? born === start : born === ticksOf(start);

/** Judges the process of `mark`, at once where it ran on this system. */
export function judgeProcess(mark: ProcessMark, heartbeat: Heartbeat): Verdict {
  const own = markOwnProcess();
  const { pid, born, system = own.system, machine = null } = mark;
  if (system !== own.system) {
    // This computer was restarted since.
    if (machine !== null && machine === own.machine) return 'dead';
    return judgeHeartbeat(heartbeat);
  }
  if (!isProcessAlive(pid)) {
    forgetHeartbeat(heartbeat.key);
    return 'dead';
  }
  const start = getProcessStart(pid);
  if (start !== null && born !== null) return isSameStart(born, start) ? 'alive' : 'dead';
  // Older versions of Cambium wrote no start time.
  if (start !== null) return Math.abs(Date.now() - heartbeat.time) < localTimeout ? 'alive' : 'dead';
  const bootTime = Date.now() - (uptime() + 60) * 1000;
  return heartbeat.time < bootTime ? 'dead' : judgeHeartbeat(heartbeat, localTimeout);
}

/** True unless the process of `mark` is known to be dead. */
export const isSameProcessAlive = (mark: ProcessMark, heartbeat: Heartbeat): boolean =>
  judgeProcess(mark, heartbeat) !== 'dead';

const ownerPattern = '(x|[0-9a-f]{8})\\.([0-9a-f]{8})\\.(\\d+)\\.(x|\\d+)';

/** A mark as a part of a file name. */
export function formatOwner({ pid, born, system, machine }: Required<ProcessMark>): string {
  return [machine ?? 'x', system, pid, born === null ? 'x' : ticksOf(born)].join('.');
}

/** Pattern of a name that has a mark between `before` and `after`, which are patterns too. */
export const createOwnerPattern = (before: string, after: string): RegExp =>
  new RegExp(`^${before}(?<owner>${ownerPattern})${after}$`, 's');

/** The mark that `formatOwner` wrote; undefined for any other text. */
export function parseOwner(text: string): Required<ProcessMark> | undefined {
  const found = new RegExp(`^${ownerPattern}$`).exec(text);
  if (!found) return undefined;
  const [, machine, system, pid, ticks] = found;
  return {
    machine: machine === 'x' ? null : machine!,
    system: system!,
    pid: Number(pid),
    born: ticks === 'x' ? null : ticks!,
  };
}
