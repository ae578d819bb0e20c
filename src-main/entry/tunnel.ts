/**
 * @file The connection to a remote host: ssh starts Cambium's server there, if none is running, and forwards its
 * port. ssh handles keys and passwords.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { endChild } from '../base/children.ts';
import { parseJson } from '../base/json.ts';
import { createError, refuse } from '../base/errors.ts';
import { createWebSocketChannel, type WebSocketLike } from '../base/transports.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { RemoteHost } from '../contract/remote-hosts.ts';
import type { OpenTunnel } from '../service/remote-hosts.ts';
import { removeTokens } from '../service/secrets.ts';
import { openProvenSocket, type ServerPlace } from './handshake.ts';

/** BatchMode: ssh cannot ask for a password, because there may be no terminal. */
const sshOptions = [
  ...['-o', 'BatchMode=yes'],
  ...['-o', 'ConnectTimeout=15'],
  ...['-o', 'ServerAliveInterval=15'],
  ...['-o', 'ServerAliveCountMax=3'],
  ...['-o', 'ExitOnForwardFailure=yes'],
];
/** Exit codes of ssh itself, and of a shell that does not find the command. */
const sshError = 255;
const commandNotFound = 127;
/** Characters of ssh's output that an error keeps. */
const tailLength = 1000;
/** Milliseconds until the forwarded port must be open, and between two attempts. */
const forwardTimeout = 20_000;
/** Milliseconds for the server at the other end of the tunnel to answer. */
const answerTimeout = 20_000;
/** Characters of the longest output of the command that starts the server. */
const maxOutput = 1_000_000;
const forwardInterval = 50;

/** Opens tunnels with the program `ssh`. The host must have the same version of Cambium. */
export const createTunnelOpener =
  (ssh: string, version: string): OpenTunnel =>
  async (host, signal) => {
    const server = await startRemoteServer(ssh, host, signal);
    if (server.version !== version)
      refuse('remote/version', { host: host.name, here: version, there: server.version });
    const end = await createLocalEnd(server.port);
    const options = ['-N', '-L', `${end.forwarding}:127.0.0.1:${server.port}`];
    const child = spawnSsh(ssh, [...options, '--', host.target], ['ignore', 'ignore', 'pipe']);
    const close = (): void => {
      endChild(child);
      end.remove();
    };
    try {
      await waitForForwarding(child, end.place, host);
      const socket = await openSocket(host, end.place, server.token);
      const channel = createWebSocketChannel(socket as unknown as WebSocketLike);
      child.once('exit', channel.close);
      return {
        channel,
        version: server.version,
        close() {
          channel.close();
          close();
        },
      };
    } catch (error) {
      close();
      throw error;
    }
  };

/** Where ssh listens on this computer. */
interface LocalEnd {
  readonly place: ServerPlace;
  /** As ssh takes it in -L. */
  readonly forwarding: string;
  remove(): void;
}

/**
 * A Unix socket in a private folder, which no other user can take or open; on Windows, whose ssh has none, a free
 * port. `port` is that of the server.
 */
async function createLocalEnd(port: number): Promise<LocalEnd> {
  if (process.platform === 'win32') {
    const own = await findFreePort();
    return { place: { port: own }, forwarding: `127.0.0.1:${own}`, remove: () => undefined };
  }
  const folder = mkdtempSync(join(tmpdir(), 'cambium-ssh-'));
  const socketPath = join(folder, 's');
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', remove);
  return { place: { port, socketPath }, forwarding: socketPath, remove };
}

/**
 * Starts ssh in its own process group, so that Ctrl+C on a terminal reaches only this process, which may still
 * need the connection. It ends with this process.
 */
function spawnSsh(ssh: string, args: readonly string[], stdio: SpawnOptions['stdio']): ChildProcess {
  const child = spawn(ssh, [...sshOptions, ...args], {
    stdio: stdio!,
    detached: process.platform !== 'win32',
    windowsHide: true,
    // ~/.ssh/config may send variables to the host.
    env: removeTokens(process.env),
  });
  const kill = (): void => {
    endChild(child);
  };
  process.once('exit', kill);
  return child.once('close', () => {
    process.off('exit', kill);
  });
}

async function openSocket(host: RemoteHost, place: ServerPlace, token: string): Promise<WebSocket> {
  return openProvenSocket(place, token, { timeout: answerTimeout }).catch((error: unknown) =>
    refuse('remote/unreachable', { host: host.name, why: (error as Error).message }),
  );
}

/** What the command of a host prints. */
const remoteServer = z.object({
  port: z.number().int().min(1).max(65_535),
  token: z.string().regex(/^[0-9a-f]{64}$/),
  version: z.string().max(100),
});
type RemoteServer = z.infer<typeof remoteServer>;

/** The background server of the host, started if it is not running. It outlives this connection. */
async function startRemoteServer(
  ssh: string,
  { name, target, command }: RemoteHost,
  signal?: AbortSignalLike,
): Promise<RemoteServer> {
  const { code, stdout, stderr } = await runOverSsh(
    ssh,
    ['--', target, `${command} serve --background --json`],
    name,
    signal,
  );
  if (signal?.aborted) refuse('cancelled', { what: `The connection to ${name}` });
  if (code === sshError) refuse('remote/unreachable', { host: name, why: stderr || 'ssh gave no reason' });
  if (code === commandNotFound) refuse('remote/no-cambium', { host: name, command });
  const server = code === 0 ? parseServer(stdout) : undefined;
  const details = stderr || stdout.slice(-tailLength) || `exit code ${code}`;
  const why = `its server did not start: ${details}`;
  return server ?? refuse('remote/unreachable', { host: name, why });
}

/** The address on the last line of the output, or undefined. */
function parseServer(stdout: string): RemoteServer | undefined {
  try {
    return parseJson(stdout.split('\n').at(-1) ?? '', remoteServer);
  } catch {
    return undefined;
  }
}

interface SshResult {
  readonly code: number;
  readonly stdout: string;
  /** The end of standard error. */
  readonly stderr: string;
}

/** Runs a command on a host. Throws `remote/no-ssh`, or `remote/unreachable` if ssh cannot be started. */
async function runOverSsh(
  ssh: string,
  args: readonly string[],
  host: string,
  signal?: AbortSignalLike,
): Promise<SshResult> {
  const child = spawnSsh(ssh, args, ['ignore', 'pipe', 'pipe']);
  let stdout = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-maxOutput);
  });
  const getStderr = collectTail(child);
  const kill = (): void => {
    endChild(child);
  };
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const isMissing = error.code === 'ENOENT';
        reject(
          isMissing
            ? createError('remote/no-ssh', { ssh })
            : createError('remote/unreachable', { host, why: error.message }),
        );
      });
      child.once('close', (exitCode) => {
        resolve(exitCode ?? -1);
      });
    });
    return { code, stdout: stdout.trim(), stderr: getStderr() };
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/** Returns a function that gets the end of the standard error of a process. */
function collectTail(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-tailLength);
  });
  return () => tail.trim();
}

const findFreePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });

/** Resolves when the local end of the tunnel accepts connections. Throws if ssh ends first. */
async function waitForForwarding(
  child: ChildProcess,
  place: ServerPlace,
  { name }: RemoteHost,
): Promise<void> {
  const getStderr = collectTail(child);
  const startTime = Date.now();
  while (Date.now() - startTime < forwardTimeout) {
    if (child.exitCode !== null || child.signalCode !== null)
      refuse('remote/unreachable', { host: name, why: getStderr() || 'ssh ended' });
    if (await acceptsConnections(place)) return;
    await wait(forwardInterval);
  }
  refuse('remote/unreachable', { host: name, why: 'the tunnel did not open' });
}

const acceptsConnections = ({ port, socketPath }: ServerPlace): Promise<boolean> =>
  new Promise((resolve) => {
    const target = socketPath === undefined ? { port, host: '127.0.0.1' } : { path: socketPath };
    const socket = connect(target, () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => {
      resolve(false);
    });
  });
