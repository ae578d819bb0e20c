/**
 * @file Keeps programs that have not shown the token from keeping the owner out. Their connections are bounded, and
 * the oldest makes room for a new one; each has one request at a time. Those of other users never reach the server,
 * where the system tells whose they are; they stay open and unread for a while, because whoever is disconnected at
 * once can connect again at once.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { findPeerUser, isOwner } from './peer-user.ts';

/** Connections of the owner's programs without the token (a page opens six), and of other users. */
const maxStrangers = 256;
const maxForeign = 512;
/** Milliseconds for which a connection of another user stays open. */
const foreignTime = 10_000;

/** Stops reading from a connection, and closes it later. */
function hold(socket: Duplex, time: number): void {
  socket.pause();
  const timer = setTimeout(() => socket.destroy(), time).unref();
  socket.once('close', () => {
    clearTimeout(timer);
  });
}

/** Connections of which the oldest is closed when there are too many. */
function createBoundedSet(limit: number): Pick<Set<Duplex>, 'add' | 'delete'> {
  const sockets = new Set<Duplex>();
  return {
    add(socket) {
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
      });
      if (sockets.size > limit) {
        const [oldest] = sockets;
        sockets.delete(oldest!);
        oldest!.destroy();
      }
      return sockets;
    },
    delete: (socket) => sockets.delete(socket),
  };
}

export interface Strangers {
  /** Says that the program at a connection has shown the token. */
  markKnown(socket: Duplex): void;
  /** Closes every connection. */
  closeAll(): void;
}

/** Watches the connections of a server that does not listen yet. */
export function limitStrangers(http: Server): Strangers {
  const strangers = createBoundedSet(maxStrangers);
  const foreign = createBoundedSet(maxForeign);
  const busy = new WeakSet<Duplex>();
  const all = new Set<Duplex>();
  const accept = http.listeners('connection') as ((socket: Socket) => void)[];
  http.removeAllListeners('connection');
  http.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined).pause();
    all.add(socket);
    socket.once('close', () => {
      all.delete(socket);
    });
    void findPeerUser(socket).then((user) => {
      if (socket.destroyed) return;
      // Whoever has closed its end waits for no answer, and must take no place.
      if (user === 'gone') {
        socket.destroy();
        return;
      }
      if (user !== 'unknown' && !isOwner(user)) {
        foreign.add(socket);
        hold(socket, foreignTime);
        return;
      }
      strangers.add(socket);
      for (const listener of accept) listener.call(http, socket);
      socket.resume();
    });
  });
  // Before the listener that answers: no browser sends a request before the answer to the one before.
  http.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (busy.has(socket)) socket.destroy();
    busy.add(socket);
    response.once('close', () => {
      busy.delete(socket);
    });
  });
  return {
    markKnown(socket) {
      strangers.delete(socket);
    },
    closeAll() {
      for (const socket of all) socket.destroy();
    },
  };
}
