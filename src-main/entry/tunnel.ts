/**
 * @file The way to a GPU box: ssh starts Cambium's server there if none runs, carries its port here, and a
 * WebSocket goes through. Keys and passwords are ssh's own business.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { createServer, connect as connectTo } from 'node:net';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { appError, refuse, type AppError } from '../base/errors.ts';
import { webSocketChannel, type WebSocketLike } from '../base/transports.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { PlaceCard } from '../contract/remote-hosts.ts';
import type { OpenTunnel } from '../service/remote-hosts.ts';

/** ssh asks nobody anything: the window has no terminal to ask in. */
const options = [
  '-o',
  'BatchMode=yes',
  '-o',
  'ConnectTimeout=15',
  '-o',
  'ServerAliveInterval=15',
  '-o',
  'ServerAliveCountMax=3',
  '-o',
  'ExitOnForwardFailure=yes',
];
/** ssh's own failures, and a shell that knows no such command. */
const sshFailed = 255;
const noCommand = 127;
/** The last characters of what ssh says that an error carries. */
const kept = 1000;
const patience = 20_000;

/** `ssh`: the program, for this environment. */
export const tunnelsBy =
  (ssh: string, version: string): OpenTunnel =>
  async (place, signal) => {
    const remote = await serverOn(ssh, place, signal);
    if (remote.version !== version)
      refuse('place/version', { place: place.name, here: version, there: remote.version });
    const port = await freePort();
    const child = sshOf(
      ssh,
      ['-N', '-L', `127.0.0.1:${port}:127.0.0.1:${remote.port}`, place.target],
      ['ignore', 'ignore', 'pipe'],
    );
    const close = (): void => {
      child.kill();
    };
    try {
      await forwarded(child, port, place);
      const socket = new WebSocket(`ws://127.0.0.1:${port}/rpc`, ['cambium', `cambium.${remote.token}`]);
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', (error) => {
          reject(appError('place/unreachable', { place: place.name, why: error.message }));
        });
      });
      const channel = webSocketChannel(socket as unknown as WebSocketLike);
      child.once('exit', channel.close);
      return {
        channel,
        version: remote.version,
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

/**
 * An ssh in a process group of its own, so that Ctrl+C in a terminal reaches this process alone, which still
 * has something to ask over there. It ends with this process.
 */
function sshOf(ssh: string, given: readonly string[], stdio: SpawnOptions['stdio']): ChildProcess {
  const child = spawn(ssh, [...options, ...given], {
    stdio: stdio!,
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const end = (): void => {
    child.kill();
  };
  process.once('exit', end);
  return child.once('close', () => {
    process.off('exit', end);
  });
}

interface RemoteServer {
  readonly port: number;
  readonly token: string;
  readonly version: string;
}

/**
 * The server on the box, started there when none runs. It outlives this connection, and what it trains
 * outlives it too.
 */
async function serverOn(ssh: string, place: PlaceCard, signal?: AbortSignalLike): Promise<RemoteServer> {
  const child = sshOf(
    ssh,
    [place.target, `${place.command} serve --background --json`],
    ['ignore', 'pipe', 'pipe'],
  );
  const { name } = place;
  let out = '';
  let said = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-kept);
  });
  const stop = (): void => {
    child.kill();
  };
  signal?.addEventListener('abort', stop, { once: true });
  const code = await new Promise<number | AppError>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        error.code === 'ENOENT'
          ? appError('place/no-ssh', { ssh })
          : appError('place/unreachable', { place: name, why: error.message }),
      );
    });
    child.once('close', (exit) => {
      resolve(exit ?? -1);
    });
  });
  signal?.removeEventListener('abort', stop);
  if (signal?.aborted) refuse('cancelled', { what: `The connection to ${name}` });
  if (typeof code !== 'number') throw code;
  if (code === sshFailed)
    refuse('place/unreachable', { place: name, why: said.trim() || 'ssh gave no reason' });
  if (code === noCommand) refuse('place/no-cambium', { place: name, command: place.command });
  try {
    const { port, token, version } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as RemoteServer;
    if (code === 0 && Number.isInteger(port) && typeof token === 'string' && typeof version === 'string')
      return { port, token, version };
  } catch {
    /* told below */
  }
  return refuse('place/unreachable', {
    place: name,
    why: `its server did not start: ${said.trim() || out.trim().slice(-kept) || `exit code ${code}`}`,
  });
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => {
        resolve(port);
      });
    });
  });

/** Resolves when something listens on the near end of the tunnel. Refuses when ssh ends first. */
async function forwarded(child: ChildProcess, port: number, { name }: PlaceCard): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-kept);
  });
  const answers = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connectTo(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      }).once('error', () => {
        resolve(false);
      });
    });
  for (
    const since = Date.now();
    Date.now() - since < patience;
    await new Promise((r) => {
      setTimeout(r, 50);
    })
  ) {
    if (child.exitCode !== null || child.signalCode !== null)
      refuse('place/unreachable', { place: name, why: said.trim() || 'ssh ended' });
    if (await answers()) return;
  }
  refuse('place/unreachable', { place: name, why: 'the tunnel did not open' });
}
