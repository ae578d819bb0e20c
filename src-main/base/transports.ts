/**
 * @file Channels over WebSockets, message ports and child processes. Each transport is described by the part
 * of its interface that is used, because the std layers have no types of the DOM, Node or Electron.
 */
import { anyJson, parseJsonIfValid } from './json.ts';
import { createInbox, type Channel, type Inbox } from './channel.ts';

/** The last message over a port, because not every port notifies the other end when it closes. */
const goodbye = 'cambium:goodbye';

/** A channel over a port that posts messages with `post` and is closed with `close`. */
function createPortChannel(inbox: Inbox, post: (message: unknown) => void, close: () => void): Channel {
  return {
    send(message) {
      if (!inbox.isClosed()) post(message);
    },
    onMessage: inbox.onMessage,
    onClose: inbox.onClose,
    close() {
      if (inbox.isClosed()) return;
      post(goodbye);
      inbox.markClosed();
      close();
    },
  };
}

function receive(inbox: Inbox, message: unknown): void {
  if (message === goodbye) inbox.markClosed();
  else inbox.deliver(message);
}

/** A browser's WebSocket, or one of the package ws. */
export interface WebSocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

/** JSON over a WebSocket. Messages sent before it opens wait; a message that is not JSON closes it. */
export function createWebSocketChannel(socket: WebSocketLike): Channel {
  const inbox = createInbox();
  let early: string[] = [];
  const close = (): void => {
    inbox.markClosed();
    socket.close();
  };
  socket.addEventListener('open', () => {
    for (const text of early) socket.send(text);
    early = [];
  });
  socket.addEventListener('close', inbox.markClosed);
  socket.addEventListener('error', inbox.markClosed);
  socket.addEventListener('message', (event) => {
    // Whoever takes the message checks it against the messages of its protocol.
    const message = parseJsonIfValid(String(event.data), anyJson);
    if (message === undefined) close();
    else inbox.deliver(message);
  });
  return {
    send(message) {
      const text = JSON.stringify(message);
      if (socket.readyState === 0) early.push(text);
      else if (socket.readyState === 1) socket.send(text);
    },
    onMessage: inbox.onMessage,
    onClose: inbox.onClose,
    close,
  };
}

/**
 * A MessagePort of the DOM, or of Node's worker_threads through its DOM interface. It emits events with `.data`
 * after `start`.
 */
export interface PagePortLike {
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: () => void): void;
}

export function createPagePortChannel(port: PagePortLike): Channel {
  const inbox = createInbox();
  port.addEventListener('message', (event) => {
    receive(inbox, event.data);
  });
  port.addEventListener('close', inbox.markClosed);
  port.start();
  const post = (message: unknown): void => {
    port.postMessage(message);
  };
  return createPortChannel(inbox, post, () => {
    port.close();
  });
}

/** Electron's MessagePortMain, or the parent port of a utility process. It emits events with `.data`. */
export interface MainPortLike {
  postMessage(message: unknown): void;
  start?(): void;
  close?(): void;
  on(type: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(type: 'close', listener: () => void): unknown;
}

export function createMainPortChannel(port: MainPortLike): Channel {
  const inbox = createInbox();
  port.on('message', (event) => {
    receive(inbox, event.data);
  });
  port.on('close', inbox.markClosed);
  port.start?.();
  const post = (message: unknown): void => {
    port.postMessage(message);
  };
  return createPortChannel(inbox, post, () => port.close?.());
}

/** A utility process in its parent. It emits the messages themselves, and `exit`. */
export interface UtilityLike {
  postMessage(message: unknown): void;
  on(type: 'message', listener: (message: unknown) => void): unknown;
  on(type: 'exit', listener: () => void): unknown;
}

export function createUtilityChannel(utility: UtilityLike): Channel {
  const inbox = createInbox();
  utility.on('message', (message) => {
    receive(inbox, message);
  });
  utility.on('exit', inbox.markClosed);
  const post = (message: unknown): void => {
    utility.postMessage(message);
  };
  return createPortChannel(inbox, post, () => undefined);
}

/**
 * Either end of the IPC of a forked process: the ChildProcess, or `process` in the child. Fork with
 * `serialization: 'advanced'`.
 */
export interface ChildLike {
  readonly connected: boolean;
  send?(message: unknown, sent: (error: Error | null) => void): boolean;
  disconnect?(): void;
  on(type: 'message', listener: (message: unknown) => void): unknown;
  on(type: 'disconnect', listener: () => void): unknown;
}

export function createChildChannel(child: ChildLike): Channel {
  const inbox = createInbox();
  child.on('message', inbox.deliver);
  child.on('disconnect', inbox.markClosed);
  return {
    // The callback swallows delivery errors; the disconnect event reports that the other end is gone.
    send(message) {
      if (child.connected) child.send?.(message, () => undefined);
    },
    onMessage: inbox.onMessage,
    onClose: inbox.onClose,
    close() {
      if (child.connected) child.disconnect?.();
      inbox.markClosed();
    },
  };
}
