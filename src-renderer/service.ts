/**
 * @file The way in: a port from the desktop's preload, or a WebSocket to the server the page came from.
 * Everything else sees only `Service`.
 */
import type { Channel } from '../src-main/base/channel.ts';
import type { ErrorData } from '../src-main/base/errors.ts';
import { currentPlace } from './state/current-host.ts';
import { pagePortChannel, webSocketChannel } from '../src-main/base/transports.ts';

/** What the desktop's preload leaves on the window. */
interface Desktop {
  readonly desktop: true;
  pathOf(file: File): string;
}
declare global {
  interface Window {
    readonly cambium?: Desktop;
  }
}

/** How a connection is made, and made again. */
export interface Dial {
  /**
   * Calls `opened` with every new channel, `failed` when one could not be opened, with the reason where one
   * is known.
   */
  start(opened: (channel: Channel) => void, failed: (why?: ErrorData) => void): void;
  /** Asks for a new channel; absent where the other side offers one by itself. */
  again?(): void;
}

const tokenKey = 'cambium.token';

/** The token of the address, moved from the address bar into this tab's memory; null when there is none. */
export function takeToken(): string | null {
  const given = /^#token=([^&]+)/.exec(location.hash)?.[1];
  if (given !== undefined) {
    sessionStorage.setItem(tokenKey, decodeURIComponent(given));
    history.replaceState(null, '', `${location.pathname}${location.search}#/`);
  }
  return sessionStorage.getItem(tokenKey);
}

/** A new address in the same tab changes only the fragment: the page starts again with its token. */
export const startAgainOnToken = (): void => {
  window.addEventListener('hashchange', () => {
    if (location.hash.startsWith('#token=')) location.reload();
  });
};

export const rememberToken = (token: string): void => {
  sessionStorage.setItem(tokenKey, token);
};

/**
 * Must be called while the first module runs: the preload hands the port over as soon as the page has loaded.
 */
export function dialFromHere(): Dial {
  if (window.cambium) {
    return {
      start(opened) {
        window.addEventListener('message', (event) => {
          const port = event.ports[0];
          if (event.source === window && event.data === 'cambium:port' && port) opened(pagePortChannel(port));
        });
      },
    };
  }
  let open = (): void => {
    /* nothing to open before the start */
  };
  return {
    start(opened, failed) {
      open = () => {
        const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
        const socket = new WebSocket(`${scheme}://${location.host}/rpc`, [
          'cambium',
          `cambium.${sessionStorage.getItem(tokenKey) ?? ''}`,
        ]);
        let was = false;
        socket.addEventListener('open', () => {
          was = true;
          opened(webSocketChannel(socket));
        });
        socket.addEventListener('close', () => {
          if (!was) failed();
        });
      };
      open();
    },
    again() {
      open();
    },
  };
}

/**
 * The absolute path of a dropped or picked file, where this page may know it: in a GPU box, a path of this
 * computer means nothing.
 */
export const pathOf = (file: File): string =>
  currentPlace() === null ? (window.cambium?.pathOf(file) ?? '') : '';
