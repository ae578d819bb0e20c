/**
 * @file Every transport of the contract, to run one suite on all of them: memory, MessagePort, WebSocket and
 * child process. Each serves the sample contract at its far end.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { WebSocket, WebSocketServer } from 'ws';
import { createChannelPair, type Channel } from '../../src-main/base/channel.ts';
import {
  createChildChannel,
  createMainPortChannel,
  createPagePortChannel,
  createUtilityChannel,
  createWebSocketChannel,
  type PagePortLike,
  type WebSocketLike,
} from '../../src-main/base/transports.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { sampleContract, createSampleApi } from './sample-contract.ts';

export interface Transport {
  readonly name: string;
  /** Starts a new far end. Returns the channel to it and a function that closes both ends. */
  open(): Promise<{ readonly near: Channel; stop(): Promise<void> }>;
}

/** Both ends of a channel in this process. */
export interface Pair {
  readonly near: Channel;
  readonly far: Channel;
  stop(): Promise<void>;
}
/** A transport with both ends in this process. */
export interface PairTransport {
  readonly name: string;
  open(): Promise<Pair>;
}

/** Serves the sample contract at the far end, which "dies" by closing its channel. */
const serveSample = ({ name, open }: PairTransport): Transport => ({
  name,
  async open() {
    const { near, far, stop } = await open();
    serve(
      sampleContract,
      createSampleApi(() => {
        far.close();
      }),
      far,
    );
    return { near, stop };
  },
});
const noCleanUp = (): Promise<void> => Promise.resolve();

const inProcess = (name: string, open: () => Promise<Pair>): PairTransport => ({ name, open });

export const pairs: readonly PairTransport[] = [
  inProcess('memory', () => {
    const [near, far] = createChannelPair();
    return Promise.resolve({ near, far, stop: noCleanUp });
  }),
  inProcess('MessagePort of a page', () => {
    const { port1, port2 } = new MessageChannel();
    return Promise.resolve({
      near: createPagePortChannel(port1 as unknown as PagePortLike),
      far: createPagePortChannel(port2 as unknown as PagePortLike),
      stop: () => {
        port1.close();
        return noCleanUp();
      },
    });
  }),
  inProcess('ports of Electron', () => {
    // A MessagePortMain emits events and a utility process emits values; both are wrapped around Node's port.
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
      near: createUtilityChannel(utility),
      far: createMainPortChannel(parent as never),
      stop: () => {
        port1.close();
        return noCleanUp();
      },
    });
  }),
  inProcess('WebSocket', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const connected = once(server, 'connection') as Promise<[WebSocket]>;
    const nearSocket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const near = createWebSocketChannel(nearSocket as unknown as WebSocketLike);
    const [farSocket] = await connected;
    return {
      near,
      far: createWebSocketChannel(farSocket as unknown as WebSocketLike),
      stop: () =>
        new Promise((resolve) => {
          nearSocket.terminate();
          farSocket.terminate();
          server.close(() => {
            resolve();
          });
        }),
    };
  }),
];

export const transports: readonly Transport[] = [
  ...pairs.map(serveSample),
  {
    name: 'child process',
    async open() {
      const child = fork(join(import.meta.dirname, 'sample-contract-child.ts'), [], {
        serialization: 'advanced',
        execArgv: [],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      await once(child, 'spawn');
      const exited = once(child, 'exit');
      return {
        near: createChildChannel(child),
        async stop() {
          child.kill('SIGKILL');
          await exited;
        },
      };
    },
  },
];
