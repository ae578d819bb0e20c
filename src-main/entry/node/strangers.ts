/**
 * @file Keeps programs that have not shown the token from keeping the owner out. Their connections are bounded, and
 * the oldest makes room for a new one; each has one request at a time; those of other users are closed, where the
 * system tells whose they are.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { findPeerUser, isOwner } from './peer-user.ts';

/** Connections without the token: a page opens six. */
const maxStrangers = 256;

async function closeIfForeign(socket: Socket): Promise<void> {
  const user = await findPeerUser(socket);
  if (user !== undefined && !isOwner(user)) socket.destroy();
}

/** Watches the connections of a server. The returned function says that the program at a connection is known. */
export function limitStrangers(http: Server, limit = maxStrangers): (socket: Duplex) => void {
  const strangers = new Set<Duplex>();
  const busy = new WeakSet<Duplex>();
  http.on('connection', (socket) => {
    void closeIfForeign(socket);
    strangers.add(socket);
    socket.once('close', () => {
      strangers.delete(socket);
    });
    if (strangers.size <= limit) return;
    const [oldest] = strangers;
    strangers.delete(oldest!);
    oldest!.destroy();
  });
  // Before the listener that answers: no browser sends a request before the answer to the one before.
  http.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (busy.has(socket)) socket.destroy();
    busy.add(socket);
    response.once('close', () => {
      busy.delete(socket);
    });
  });
  return (socket) => {
    strangers.delete(socket);
  };
}
