/** @file A server that goes on when the terminal, or the ssh connection, that started it is gone: one per home, found again by its record. */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { refuse } from '../../base/errors.ts';
import { isAlive } from '../../service/place.ts';

/** What lets a later command find a running server. Whoever can read it can use the server, so it is the owner's alone. */
export interface ServerRecord { readonly port: number; readonly token: string; readonly version: string; readonly pid: number }

const recordIn = (home: string): string => join(home, 'server.json'), logIn = (home: string): string => join(home, 'server.log');
const patience = 30_000;

export function recordServer(home: string, record: ServerRecord): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(recordIn(home), JSON.stringify(record), { mode: 0o600 });
  chmodSync(recordIn(home), 0o600);                                    // one that was there keeps its rights otherwise
}

/** Takes the record away, if it is this process's. */
export function forgetServer(home: string): void { if (readRecord(home)?.pid === process.pid) rmSync(recordIn(home), { force: true }); }

/** The server of this home that answers to its token, or undefined. */
export async function runningServer(home: string): Promise<ServerRecord | undefined> {
  const record = readRecord(home);
  if (!record) return undefined;
  const socket = new WebSocket(`ws://127.0.0.1:${record.port}/rpc`, ['cambium', `cambium.${record.token}`]);
  const answers = await new Promise<boolean>((resolve) => { socket.once('open', () => { resolve(true); }); socket.once('error', () => { resolve(false); }); });
  socket.terminate();
  return answers ? record : undefined;
}

function readRecord(home: string): ServerRecord | undefined {
  try {
    const { port, token, version, pid } = JSON.parse(readFileSync(recordIn(home), 'utf8')) as ServerRecord;
    return Number.isInteger(port) && typeof token === 'string' && typeof version === 'string' && Number.isInteger(pid) ? { port, token, version, pid } : undefined;
  } catch { return undefined; }
}

/** The running server, or a new one that outlives this process. Refuses `engine/crashed` with its last words. */
export async function serverInBackground(home: string, commandLine: readonly string[]): Promise<ServerRecord> {
  const running = await runningServer(home);
  if (running) return running;
  mkdirSync(home, { recursive: true });
  const log = openSync(logIn(home), 'w', 0o600);
  const child = spawn(commandLine[0]!, [...commandLine.slice(1), 'serve', '--record'], { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let gone = false;
  child.once('exit', () => { gone = true; }).once('error', () => { gone = true; });
  child.unref();
  for (const since = Date.now(); Date.now() - since < patience && !gone; await new Promise((resolve) => { setTimeout(resolve, 50); })) {
    const started = await runningServer(home);
    if (started) return started;
  }
  return refuse('engine/crashed', { how: 'the server did not start', lines: readFileSync(logIn(home), 'utf8').slice(-1000) });
}

/** Asks the server to end and waits until its process has, because what trains saves first: as long as the largest saves take, or until the signal. Undefined when none was running. */
export async function stopServer(home: string, signal: AbortSignal, atMost = 10 * 60_000): Promise<{ readonly pid: number; readonly ended: boolean } | undefined> {
  const running = await runningServer(home);
  if (!running) return undefined;
  const { pid } = running;
  process.kill(pid, 'SIGTERM');
  for (const since = Date.now(); isAlive(pid) && Date.now() - since < atMost && !signal.aborted;) await new Promise((resolve) => { setTimeout(resolve, 50); });
  return { pid, ended: !isAlive(pid) };
}
