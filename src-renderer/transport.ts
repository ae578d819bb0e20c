/** @file Connects the page to the service: through a port of the desktop app, or a WebSocket to the server. */
import type { Channel } from '../src-main/base/channel.ts';
import type { ErrorData } from '../src-main/base/errors.ts';
import { createPagePortChannel, createWebSocketChannel } from '../src-main/base/transports.ts';
import type { Service } from '../src-main/contract/service.ts';
import { currentHost } from './state/current-host.ts';

/** What the preload script of the desktop app defines. */
interface Desktop {
  readonly desktop: true;
  pathOf(file: File): string;
  /** The system's dialog; null if it was cancelled. `start` is where it opens. */
  choosePath(kind: 'folder' | 'file', title: string, start?: string): Promise<string | null>;
}
declare global {
  interface Window {
    readonly cambium?: Desktop;
  }
}

/** Why there is no connection: nothing answers, or what answers does not accept the token. */
export type Absence = 'gone' | 'refused';

export interface Transport {
  /**
   * Calls `onOpen` with every new channel, and `onFail` when one could not be opened, with an error or with why not,
   * where that is known.
   */
  start(onOpen: (channel: Channel) => void, onFail: (error?: ErrorData, absence?: Absence) => void): void;
  /** The service at the other end of a channel; absent if it is this computer's. */
  connect?(channel: Channel): Service;
  /** Opens a new channel; absent if the other side does so by itself. */
  reconnect?(): void;
}

/**
 * The token of the newest server at this address, for all tabs of the browser. A cookie would be sent to the programs
 * at the other ports of this computer; this storage belongs to one port.
 */
const tokenKey = 'cambium.token';
const readToken = (): string => localStorage.getItem(tokenKey) ?? '';

/** A code from the address that has not been exchanged for the token yet. */
let pendingCode: string | undefined;

/** Stores the token of the address, and removes it from there. A one-time code is kept until the page connects. */
export function takeToken(): void {
  const [, kind, value] = /^#(token|code)=([^&]+)/.exec(location.hash) ?? [];
  if (value === undefined) return;
  if (kind === 'code') pendingCode = decodeURIComponent(value);
  else storeToken(decodeURIComponent(value));
  history.replaceState(null, '', `${location.pathname}${location.search}#/`);
}

/** Exchanges the code of the address for the token. A code that is refused leaves the token of this browser. */
async function exchangeCode(): Promise<void> {
  if (pendingCode === undefined) return;
  const body = pendingCode;
  pendingCode = undefined;
  const response = await fetch('/token', { method: 'POST', body }).catch(() => undefined);
  if (response?.ok !== true) return;
  const { token } = (await response.json()) as { token: string };
  storeToken(token);
}

/** Reloads the page when an address with a token or a code is opened in this tab, which only changes the hash. */
export const reloadOnNewToken = (): void => {
  window.addEventListener('hashchange', () => {
    if (/^#(token|code)=/.test(location.hash)) location.reload();
  });
};

export const storeToken = (token: string): void => {
  localStorage.setItem(tokenKey, token);
};

/** Must be called while the first module runs: the preload script sends the port as soon as the page has loaded. */
export const createLocalTransport = (): Transport =>
  window.cambium ? createDesktopTransport() : createWebSocketTransport();

const createDesktopTransport = (): Transport => ({
  start(onOpen) {
    window.addEventListener('message', (event) => {
      const port = event.ports[0];
      const isPort = event.source === window && event.data === 'cambium:port';
      if (isPort && port) onOpen(createPagePortChannel(port));
    });
  },
});

/** Whether the server answers at all. A browser does not say why a WebSocket was refused. */
const findAbsence = (): Promise<Absence> =>
  fetch('/', { method: 'HEAD', cache: 'no-store' }).then(
    () => 'refused',
    () => 'gone',
  );

function createWebSocketTransport(): Transport {
  let open = (): void => {
    /* set by start */
  };
  return {
    start(onOpen, onFail) {
      let isOpen = false;
      const connect = (): void => {
        const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
        const socket = new WebSocket(`${scheme}://${location.host}/rpc`, [
          'cambium',
          `cambium.${readToken()}`,
        ]);
        let wasOpen = false;
        socket.addEventListener('open', () => {
          wasOpen = true;
          isOpen = true;
          onOpen(createWebSocketChannel(socket));
        });
        socket.addEventListener('close', () => {
          isOpen = false;
          if (!wasOpen)
            void findAbsence().then((absence) => {
              onFail(undefined, absence);
            });
        });
      };
      open = () => {
        void exchangeCode().then(connect);
      };
      open();
      // Another tab got the token of a server that was started again.
      window.addEventListener('storage', ({ key }) => {
        if (key === tokenKey && !isOpen) open();
      });
    },
    reconnect() {
      open();
    },
  };
}

/** The path of a dropped file; empty in a browser, and on a remote host, where local paths do not exist. */
export const pathOfFile = (file: File): string =>
  currentHost() === null ? (window.cambium?.pathOf(file) ?? '') : '';

/**
 * The system's dialog to choose a folder or a file; undefined in a browser and on a remote host, where the page has a
 * dialog of its own.
 */
export const systemDialog = (): Desktop['choosePath'] | undefined =>
  currentHost() === null ? window.cambium?.choosePath : undefined;
