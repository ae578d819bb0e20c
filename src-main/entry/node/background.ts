/**
 * @file The server in the background, which outlives the terminal or ssh connection that starts it. There is one
 * per home folder; its record in server.json lets later commands find it.
 */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../base/json.ts';
import { refuse } from '../../base/errors.ts';
import { isProcessAlive, takeLock, writeJson } from '../../service/dependencies.ts';
import { openProvenSocket } from '../handshake.ts';
import { revokePath } from './server.ts';

/** server.json. Only its owner may read it, because the token gives access to the server. */
const serverRecord = z.object({
  port: z.number().int().min(1).max(65_535),
  token: z.string().regex(/^[0-9a-f]{64}$/),
  version: z.string().max(100),
  pid: z.number().int().positive(),
});
export type ServerRecord = Readonly<z.infer<typeof serverRecord>>;

const recordFile = (home: string): string => join(home, 'server.json');
const logFile = (home: string): string => join(home, 'server.log');
const lockFile = (home: string): string => join(home, 'server.lock');

/** Milliseconds for a server to start, and to answer once it runs. */
const startTimeout = 30_000;
const answerTimeout = 5000;
const pollInterval = 50;
/** Characters of the log that an error keeps. */
const tailLength = 1000;
/** Milliseconds for a server to save the largest runs and end. */
const stopTimeout = 10 * 60_000;

export async function recordServer(home: string, record: ServerRecord): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  await writeJson(recordFile(home), record, { isPrivate: true });
}

/** Removes the record if it is of this process. */
export function forgetServer(home: string): void {
  if (readRecord(home)?.pid === process.pid) rmSync(recordFile(home), { force: true });
}

/** The recorded server, if what listens on its port proves to know the token. */
export async function findServer(home: string): Promise<ServerRecord | undefined> {
  const record = readRecord(home);
  if (!record) return undefined;
  try {
    const socket = await openProvenSocket(record, record.token, { timeout: answerTimeout });
    socket.terminate();
    return record;
  } catch {
    return undefined;
  }
}

/** The record; undefined if there is none, if it is damaged, or if another user wrote it. */
function readRecord(home: string): ServerRecord | undefined {
  let file: number | undefined;
  try {
    file = openSync(recordFile(home), 'r');
    const owner = fstatSync(file).uid;
    if (process.getuid && owner !== process.getuid()) return undefined;
    return parseJson(readFileSync(file, 'utf8'), serverRecord);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The command line of this program, with which its background server is started. */
export const ownCommandLine = (): readonly string[] => [
  process.execPath,
  ...process.execArgv,
  process.argv[1]!,
];

/**
 * The running server, or a new one, started with `commandLine`. If several processes call this at once, one of
 * them starts it. Throws `engine/crashed` with the end of its log.
 */
export async function ensureServer(home: string, commandLine: readonly string[]): Promise<ServerRecord> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  for (;;) {
    const server = await findServer(home);
    if (server) return server;
    const lock = await takeLock(lockFile(home));
    if (lock) {
      try {
        return (await findServer(home)) ?? (await startBackgroundServer(home, commandLine));
      } finally {
        await lock.release();
      }
    }
    await wait(pollInterval);
  }
}

/**
 * Replaces the token of the running server, which closes all connections. The new token is in its record. False if
 * no server is running.
 */
export async function revokeToken(home: string): Promise<boolean> {
  const server = await findServer(home);
  if (!server) return false;
  const socket = await openProvenSocket(server, server.token, { timeout: answerTimeout, path: revokePath });
  await new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  return true;
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
