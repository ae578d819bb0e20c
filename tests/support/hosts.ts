/**
 * @file The ways in, as parameters for a suite: memory, MessagePort, WebSocket, child process. Each serves
 * the exercise at its far end.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { WebSocket, WebSocketServer } from 'ws';
import { channelPair, type Channel } from '../../src-main/base/channel.ts';
import {
  childChannel,
  mainPortChannel,
  pagePortChannel,
  utilityChannel,
  webSocketChannel,
  type PagePortLike,
  type WebSocketLike,
} from '../../src-main/base/transports.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { exercise, exerciser } from './exercise.ts';

export interface Host {
  readonly name: string;
  /** A channel to a fresh far end, and what takes both down. */
  open(): Promise<{ readonly near: Channel; stop(): Promise<void> }>;
}

/** Two ends in this process; the far end "dies" by closing its channel. */
const here = (
  name: string,
  pair: () => Promise<{ near: Channel; far: Channel; stop(): Promise<void> }>,
): Host => ({
  name,
  async open() {
    const { near, far, stop } = await pair();
    serve(
      exercise,
      exerciser(() => {
        far.close();
      }),
      far,
    );
    return { near, stop };
  },
});
const nothing = (): Promise<void> => Promise.resolve();

export const hosts: readonly Host[] = [
  here('memory', () => {
    const [near, far] = channelPair();
    return Promise.resolve({ near, far, stop: nothing });
  }),
  here('MessagePort, as a page has it', () => {
    const { port1, port2 } = new MessageChannel();
    return Promise.resolve({
      near: pagePortChannel(port1 as unknown as PagePortLike),
      far: pagePortChannel(port2 as unknown as PagePortLike),
      stop: () => {
        port1.close();
        return nothing();
      },
    });
  }),
  here('ports, as Electron has them', () => {
    // A MessagePortMain emits events, a utility process emits values: Node's port with each of the two faces.
    const { port1, port2 } = new MessageChannel();
    const utility = {
      postMessage: (m: unknown) => {
        port1.postMessage(m);
      },
      on: (type: string, f: (v: unknown) => void) => port1.on(type === 'exit' ? 'close' : 'message', f),
    };
    const parent = {
      postMessage: (m: unknown) => {
        port2.postMessage(m);
      },
      on: (type: string, f: (v: { data: unknown }) => void) =>
        port2.on(type as 'message', (v: unknown) => {
          f({ data: v });
        }),
    };
    return Promise.resolve({
      near: utilityChannel(utility),
      far: mainPortChannel(parent as never),
      stop: () => {
        port1.close();
        return nothing();
      },
    });
  }),
  here('WebSocket', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const joined = once(server, 'connection') as Promise<[WebSocket]>;
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const near = webSocketChannel(socket as unknown as WebSocketLike);
    const [other] = await joined;
    return {
      near,
      far: webSocketChannel(other as unknown as WebSocketLike),
      stop: () =>
        new Promise((resolve) => {
          socket.terminate();
          other.terminate();
          server.close(() => {
            resolve();
          });
        }),
    };
  }),
  {
    name: 'child process',
    async open() {
      const child = fork(join(import.meta.dirname, 'exercise-child.ts'), [], {
        serialization: 'advanced',
        execArgv: [],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      await once(child, 'spawn');
      const exited = once(child, 'exit');
      return {
        near: childChannel(child),
        async stop() {
          child.kill('SIGKILL');
          await exited;
        },
      };
    },
  },
];
