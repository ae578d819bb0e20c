/**
 * @file A channel over each thing that carries messages, by the part of it that is used: the std layers know
 * neither DOM nor Node nor Electron.
 */
import { inbox, type Channel, type Inbox } from './channel.ts';

/** The last message over ports, which do not all tell the far end that they have closed. */
const goodbye = 'cambium:goodbye';

function portChannel(box: Inbox, post: (message: unknown) => void, close: () => void): Channel {
  return {
    send(message) {
      if (!box.isClosed()) post(message);
    },
    onMessage: box.onMessage,
    onClose: box.onClose,
    close() {
      if (box.isClosed()) return;
      post(goodbye);
      box.closed();
      close();
    },
  };
}
const into =
  (box: Inbox) =>
  (message: unknown): void => {
    if (message === goodbye) box.closed();
    else box.deliver(message);
  };

/** A page's WebSocket, or the package ws's. */
export interface WebSocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(): void;
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

/** JSON over a WebSocket; what is sent before it is open waits. A message that is not JSON closes it. */
export function webSocketChannel(socket: WebSocketLike): Channel {
  const box = inbox();
  const close = (): void => {
    box.closed();
    socket.close();
  };
  let early: string[] = [];
  socket.addEventListener('open', () => {
    for (const text of early) socket.send(text);
    early = [];
  });
  socket.addEventListener('close', box.closed);
  socket.addEventListener('error', box.closed);
  socket.addEventListener('message', (event) => {
    let message: unknown;
    try {
      message = JSON.parse(String(event.data));
    } catch {
      close();
      return;
    }
    box.deliver(message);
  });
  return {
    send(message) {
      const text = JSON.stringify(message);
      if (socket.readyState === 0) early.push(text);
      else if (socket.readyState === 1) socket.send(text);
    },
    onMessage: box.onMessage,
    onClose: box.onClose,
    close,
  };
}

/**
 * A MessagePort of a page, or of Node's worker_threads through its DOM face: an event with `.data`, after
 * `start`.
 */
export interface PagePortLike {
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: () => void): void;
}
export function pagePortChannel(port: PagePortLike): Channel {
  const box = inbox();
  const receive = into(box);
  port.addEventListener('message', (event) => {
    receive(event.data);
  });
  port.addEventListener('close', box.closed);
  port.start();
  return portChannel(
    box,
    (m) => {
      port.postMessage(m);
    },
    () => {
      port.close();
    },
  );
}

/**
 * Electron's MessagePortMain, or the parent's port in a utility process: an emitter of events with `.data`.
 */
export interface MainPortLike {
  postMessage(message: unknown): void;
  start?(): void;
  close?(): void;
  on(type: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(type: 'close', listener: () => void): unknown;
}
export function mainPortChannel(port: MainPortLike): Channel {
  const box = inbox();
  const receive = into(box);
  port.on('message', (event) => {
    receive(event.data);
  });
  port.on('close', box.closed);
  port.start?.();
  return portChannel(
    box,
    (m) => {
      port.postMessage(m);
    },
    () => port.close?.(),
  );
}

/** A utility process as its parent sees it: an emitter of values, gone when it exits. */
export interface UtilityLike {
  postMessage(message: unknown): void;
  on(type: 'message', listener: (message: unknown) => void): unknown;
  on(type: 'exit', listener: () => void): unknown;
}
export function utilityChannel(utility: UtilityLike): Channel {
  const box = inbox();
  utility.on('message', into(box));
  utility.on('exit', box.closed);
  return portChannel(
    box,
    (m) => {
      utility.postMessage(m);
    },
    () => undefined,
  );
}

/**
 * Either end of a forked process's IPC: the ChildProcess, or `process` in the child. Fork with
 * `serialization: 'advanced'`.
 */
export interface ChildLike {
  readonly connected: boolean;
  send?(message: unknown, sent: (error: Error | null) => void): boolean;
  disconnect?(): void;
  on(type: 'message', listener: (message: unknown) => void): unknown;
  on(type: 'disconnect', listener: () => void): unknown;
}
export function childChannel(child: ChildLike): Channel {
  const box = inbox();
  child.on('message', box.deliver);
  child.on('disconnect', box.closed);
  return {
    // A message that can no longer be delivered is not an error: the disconnect tells.
    send(message) {
      if (child.connected) child.send?.(message, () => undefined);
    },
    onMessage: box.onMessage,
    onClose: box.onClose,
    close() {
      if (child.connected) child.disconnect?.();
      box.closed();
    },
  };
}
