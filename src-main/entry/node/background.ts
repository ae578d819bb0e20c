/**
 * @file A server that goes on when the terminal, or the ssh connection, that started it is gone: one per
 * home, found again by its record.
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
import { isAlive } from '../../service/dependencies.ts';

/**
 * What lets a later command find a running server. Whoever can read it can use the server, so it is the
 * owner's alone.
 */
export interface ServerRecord {
  readonly port: number;
  readonly token: string;
  readonly version: string;
  readonly pid: number;
}

const recordIn = (home: string): string => join(home, 'server.json');
const logIn = (home: string): string => join(home, 'server.log');
/** How long a server may take to start, and to answer once it runs, in milliseconds. */
const patience = 30_000;
const answer = 5000;
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export function recordServer(home: string, record: ServerRecord): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(recordIn(home), JSON.stringify(record), { mode: 0o600 });
  chmodSync(recordIn(home), 0o600); // one that was there keeps its rights otherwise
}

/** Takes the record away, if it is this process's. */
export function forgetServer(home: string): void {
  if (readRecord(home)?.pid === process.pid) rmSync(recordIn(home), { force: true });
}

/** The server of this home that answers to its token, or undefined. */
export async function runningServer(home: string): Promise<ServerRecord | undefined> {
  const record = readRecord(home);
  if (!record) return undefined;
  const socket = new WebSocket(`ws://127.0.0.1:${record.port}/rpc`, ['cambium', `cambium.${record.token}`], {
    handshakeTimeout: answer,
  }); // its port may be a silent stranger's by now
  const answers = await new Promise<boolean>((resolve) => {
    socket.once('open', () => {
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
  socket.terminate();
  return answers ? record : undefined;
}

function readRecord(home: string): ServerRecord | undefined {
  try {
    const { port, token, version, pid } = JSON.parse(readFileSync(recordIn(home), 'utf8')) as ServerRecord;
    return Number.isInteger(port) &&
      typeof token === 'string' &&
      typeof version === 'string' &&
      Number.isInteger(pid)
      ? { port, token, version, pid }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The running server, or a new one that outlives this process; of several who ask at once, one starts it.
 * Refuses `engine/crashed` with its last words.
 */
export async function serverInBackground(
  home: string,
  commandLine: readonly string[],
): Promise<ServerRecord> {
  mkdirSync(home, { recursive: true });
  for (; ; await pause(50)) {
    const running = await runningServer(home);
    if (running) return running;
    const release = turnToStart(home);
    if (!release) continue;
    try {
      return (await runningServer(home)) ?? (await started(home, commandLine));
    } finally {
      release();
    }
  }
}

/**
 * The turn to start this home's server, given back by what is answered; undefined while another process has
 * it.
 */
function turnToStart(home: string): (() => void) | undefined {
  const lock = join(home, 'server.lock');
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return () => {
      rmSync(lock, { force: true });
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (isLeft(lock)) rmSync(lock, { force: true });
    return undefined;
  }
}

/** Whether whoever made a lock was killed: its process is gone, or it is older than any start. */
function isLeft(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    return (pid > 0 && !isAlive(pid)) || Date.now() - statSync(lock).mtimeMs > patience + 3 * answer;
  } catch {
    return false;
  }
}

async function started(home: string, commandLine: readonly string[]): Promise<ServerRecord> {
  const log = openSync(logIn(home), 'w', 0o600);
  const child = spawn(commandLine[0]!, [...commandLine.slice(1), 'serve', '--record'], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let gone = false;
  child
    .once('exit', () => {
      gone = true;
    })
    .once('error', () => {
      gone = true;
    });
  child.unref();
  for (const since = Date.now(); Date.now() - since < patience && !gone; await pause(50)) {
    const running = await runningServer(home);
    if (running) return running;
  }
  return refuse('engine/crashed', {
    how: 'the server did not start',
    lines: readFileSync(logIn(home), 'utf8').slice(-1000),
  });
}

/**
 * Asks the server to end and waits until its process has, because what trains saves first: as long as the
 * largest saves take, or until the signal. Undefined when none was running.
 */
export async function stopServer(
  home: string,
  signal: AbortSignal,
  atMost = 10 * 60_000,
): Promise<{ readonly pid: number; readonly ended: boolean } | undefined> {
  const running = await runningServer(home);
  if (!running) return undefined;
  const { pid } = running;
  process.kill(pid, 'SIGTERM');
  for (const since = Date.now(); isAlive(pid) && Date.now() - since < atMost && !signal.aborted;)
    await pause(50);
  return { pid, ended: !isAlive(pid) };
}
