/** @file Remote hosts: the saved list, and the open sessions. The entry provides the connection (entry/tunnel.ts). */
import { randomUUID } from 'node:crypto';
import type { Channel } from '../base/channel.ts';
import { refuse } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { RemoteHost, RemoteEvent } from '../contract/remote-hosts.ts';
import { readRemoteHosts, updateRemoteHosts } from '../store/home/remote-hosts.ts';

/** An open connection to the service of a remote host. */
export interface Tunnel {
  readonly channel: Channel;
  /** The version of Cambium on the host. */
  readonly version: string;
  close(): void;
}

/**
 * Connects to a host. Throws `remote/no-ssh`, `remote/unreachable`, `remote/no-cambium`, `remote/version`, or
 * `cancelled`.
 */
export type OpenTunnel = (host: RemoteHost, signal?: AbortSignalLike) => Promise<Tunnel>;

export interface RemoteHosts {
  list(): Promise<readonly RemoteHost[]>;
  add(host: RemoteHost): Promise<readonly RemoteHost[]>;
  remove(name: string): Promise<readonly RemoteHost[]>;
  /** Opens a session and streams the messages of the host until either side closes it. */
  open(name: string, signal?: AbortSignalLike): AsyncIterable<RemoteEvent>;
  /** Sends a message to the host of a session. */
  send(session: string, message: unknown): void;
}

/** `home` is the folder that stores the list. */
export function createRemoteHosts(home: string, openTunnel: OpenTunnel): RemoteHosts {
  const sessions = new Map<string, Channel>();
  const find = async (name: string): Promise<RemoteHost> =>
    (await readRemoteHosts(home)).find((host) => host.name === name) ??
    refuse('remote/not-found', { host: name });
  return {
    list: () => readRemoteHosts(home),
    async add(host) {
      await updateRemoteHosts(home, (hosts) => {
        if (hosts.some(({ name }) => name === host.name)) refuse('remote/exists', { host: host.name });
        return [...hosts, host];
      });
      return readRemoteHosts(home);
    },
    async remove(name) {
      await find(name);
      await updateRemoteHosts(home, (hosts) => hosts.filter((host) => host.name !== name));
      return readRemoteHosts(home);
    },
    async *open(name, signal) {
      const tunnel = await openTunnel(await find(name), signal);
      const session = randomUUID();
      const events = createQueue<RemoteEvent>();
      const end = (): void => {
        events.end();
      };
      sessions.set(session, tunnel.channel);
      signal?.addEventListener('abort', end, { once: true });
      if (signal?.aborted) end();
      events.push({ type: 'open', session, version: tunnel.version });
      tunnel.channel.onMessage((message) => {
        events.push({ type: 'message', message });
      });
      tunnel.channel.onClose(end);
      try {
        yield* events;
      } finally {
        signal?.removeEventListener('abort', end);
        sessions.delete(session);
        tunnel.close();
      }
    },
    send(session, message) {
      (sessions.get(session) ?? refuse('rpc/closed', {})).send(message);
    },
  };
}
