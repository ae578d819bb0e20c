/**
 * @file The server in the background, which outlives the terminal or ssh connection that starts it. There is one
 * per home folder; its record in server.json lets later commands find it.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { refuse } from '../../base/errors.ts';
import { isProcessAlive } from '../../service/dependencies.ts';

/** server.json. Only its owner may read it, because the token gives access to the server. */
export interface ServerRecord {
  readonly port: number;
  readonly token: string;
  readonly version: string;
  readonly pid: number;
}

const recordFile = (home: string): string => join(home, 'server.json');
const logFile = (home: string): string => join(home, 'server.log');
const lockFile = (home: string): string => join(home, 'server.lock');

/** Milliseconds for a server to start, and to answer once it runs. */
const startTimeout = 30_000;
const answerTimeout = 5000;
const pollInterval = 50;
/** Milliseconds after which a lock is stale: longer than any start takes. */
const staleLockAge = startTimeout + 3 * answerTimeout;
/** Characters of the log that an error keeps. */
const tailLength = 1000;
/** Milliseconds for a server to save the largest runs and end. */
const stopTimeout = 10 * 60_000;

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export function recordServer(home: string, record: ServerRecord): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(recordFile(home), JSON.stringify(record), { mode: 0o600 });
  // The mode above does not apply to a file that already exists.
  chmodSync(recordFile(home), 0o600);
}

/** Removes the record if it is of this process. */
export function forgetServer(home: string): void {
  if (readRecord(home)?.pid === process.pid) rmSync(recordFile(home), { force: true });
}

/** The recorded server, if it accepts its token. */
export async function findServer(home: string): Promise<ServerRecord | undefined> {
  const record = readRecord(home);
  if (!record) return undefined;
  // Another program may listen on the port by now; hence the timeout.
  const socket = new WebSocket(`ws://127.0.0.1:${record.port}/rpc`, ['cambium', `cambium.${record.token}`], {
    handshakeTimeout: answerTimeout,
  });
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once('open', () => {
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
  socket.terminate();
  return isOpen ? record : undefined;
}

function readRecord(home: string): ServerRecord | undefined {
  try {
    const { port, token, version, pid } = JSON.parse(readFileSync(recordFile(home), 'utf8')) as ServerRecord;
    const isValid = Number.isInteger(port) && typeof token === 'string' && typeof version === 'string';
    return isValid && Number.isInteger(pid) ? { port, token, version, pid } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The running server, or a new one, started with `commandLine`. If several processes call this at once, one of
 * them starts it. Throws `engine/crashed` with the end of its log.
 */
export async function ensureServer(home: string, commandLine: readonly string[]): Promise<ServerRecord> {
  mkdirSync(home, { recursive: true });
  for (;;) {
    const server = await findServer(home);
    if (server) return server;
    const release = tryLock(home);
    if (release) {
      try {
        return (await findServer(home)) ?? (await startBackgroundServer(home, commandLine));
      } finally {
        release();
      }
    }
    await wait(pollInterval);
  }
}

/** Takes the lock for starting the server; returns its release, or undefined if another process has the lock. */
function tryLock(home: string): (() => void) | undefined {
  const lock = lockFile(home);
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return () => {
      rmSync(lock, { force: true });
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (isStale(lock)) rmSync(lock, { force: true });
    return undefined;
  }
}

/** True if the process that made the lock no longer exists, or the lock is too old. */
function isStale(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    return (pid > 0 && !isProcessAlive(pid)) || Date.now() - statSync(lock).mtimeMs > staleLockAge;
  } catch {
    return false;
  }
}

async function startBackgroundServer(home: string, commandLine: readonly string[]): Promise<ServerRecord> {
  const log = openSync(logFile(home), 'w', 0o600);
  const child = spawn(commandLine[0]!, [...commandLine.slice(1), 'serve', '--record'], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let hasEnded = false;
  const markEnded = (): void => {
    hasEnded = true;
  };
  child.once('exit', markEnded).once('error', markEnded);
  child.unref();
  const startTime = Date.now();
  while (Date.now() - startTime < startTimeout && !hasEnded) {
    const server = await findServer(home);
    if (server) return server;
    await wait(pollInterval);
  }
  const lines = readFileSync(logFile(home), 'utf8').slice(-tailLength);
  return refuse('engine/crashed', { how: 'the server did not start', lines });
}

/**
 * Asks the server to end, and waits until its process has saved its runs and exited, at most `timeout`
 * milliseconds or until the signal aborts. Undefined if no server is running.
 */
export async function stopServer(
  home: string,
  signal: AbortSignal,
  timeout = stopTimeout,
): Promise<{ readonly pid: number; readonly ended: boolean } | undefined> {
  const server = await findServer(home);
  if (!server) return undefined;
  const { pid } = server;
  process.kill(pid, 'SIGTERM');
  const startTime = Date.now();
  while (isProcessAlive(pid) && Date.now() - startTime < timeout && !signal.aborted) await wait(pollInterval);
  return { pid, ended: !isProcessAlive(pid) };
}
