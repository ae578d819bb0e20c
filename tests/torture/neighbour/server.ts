/** @file Starts the server of the command line as its owner does, and watches whether it still answers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createWebSocketChannel, type WebSocketLike } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { service } from '../../../src-main/contract/service.ts';
import { openProvenSocket } from '../../../src-main/entry/handshake.ts';

const root = resolve(import.meta.dirname, '../../..');
export const cli: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  join(root, 'src-main/entry/node/cli.ts'),
];

export interface OwnServer {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  countFiles(): number;
  /** Bytes of memory. */
  readMemory(): number;
  stop(): Promise<void>;
}

export async function startOwnServer(
  home: string,
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
  const child = spawn(process.execPath, [...cli, 'serve', '--json', ...flags], {
    env: { ...process.env, ...environment, CAMBIUM_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const { port, token } = JSON.parse(line) as { port: number; token: string };
  const pid = child.pid!;
  return {
    child,
    pid,
    port,
    token,
    countFiles: () => readdirSync(`/proc/${pid}/fd`).length,
    readMemory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

/** Milliseconds after which a call counts as unanswered. A busy computer may be slow; the promise is an answer. */
const answerTimeout = 60_000;

/** Calls as the owner, once; returns the milliseconds until the answer. */
export async function callAsOwner({ port, token }: OwnServer): Promise<number> {
  const start = performance.now();
  const socket = await openProvenSocket({ port }, token, { timeout: answerTimeout });
  try {
    await connect(service, createWebSocketChannel(socket as unknown as WebSocketLike)).about({});
    return performance.now() - start;
  } finally {
    socket.terminate();
  }
}
