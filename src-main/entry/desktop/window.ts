/**
 * @file One window with every safety switch on: isolated, sandboxed, going nowhere, opening nothing, allowed
 * nothing.
 */
import { BrowserWindow, MessageChannelMain, protocol, session, shell } from 'electron';
import { mainPortChannel } from '../../base/transports.ts';
import { serve } from '../../contract/serve.ts';
import { service as contract, type Service } from '../../contract/service.ts';
import { headers, pageFile } from '../pages.ts';

export const origin = 'app://cambium';

/** Before the app is ready: the page's own scheme, with the rights of https and no others. */
export const registerScheme = (): void => {
  protocol.registerSchemesAsPrivileged([
    { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
};

/**
 * Serves the built page in `folder` as `app://cambium/`, and refuses every permission and every other
 * address.
 */
export function guardSession(folder: string): void {
  protocol.handle('app', async (request) => {
    const { host, pathname } = new URL(request.url);
    const file = host === 'cambium' ? await pageFile(folder, pathname) : undefined;
    return file
      ? new Response(new Uint8Array(file.body), { headers: { ...headers, 'Content-Type': file.type } })
      : new Response('Not found', { status: 404, headers });
  });
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, decide) => {
    decide(false);
  });
  session.defaultSession.setPermissionCheckHandler(() => false);
  session.defaultSession.webRequest.onBeforeRequest(
    { urls: ['http://*/*', 'https://*/*', 'ws://*/*', 'wss://*/*', 'file://*/*'] },
    (_details, decide) => {
      decide({ cancel: true });
    },
  );
}

/**
 * Where a window begins: a page (`#/…`), and another address than the built page's, when that is being
 * developed.
 */
export interface Opening {
  readonly route?: string | undefined;
  readonly address?: string | undefined;
}

/** Shows another page in an open window, which keeps its connection. */
export function showRoute(window: BrowserWindow, route: string): void {
  const address = new URL(window.webContents.getURL() || `${origin}/index.html`);
  address.hash = route;
  void window.loadURL(address.href);
}

/**
 * A page of the Hub, which the person's own browser may show: terms to accept, tokens to make. No other
 * address is passed on.
 */
export function isHubPage(
  address: string,
  endpoint = process.env['HF_ENDPOINT'] || 'https://huggingface.co',
): boolean {
  const { origin: at } = URL.parse(address) ?? {};
  return (
    at !== undefined &&
    at.startsWith('https://') &&
    (at === 'https://huggingface.co' || at === URL.parse(endpoint)?.origin)
  );
}

/** Opens the window; every load of its page gets a fresh port to `api`. */
export function openWindow(
  api: Service,
  preload: string,
  { route = '', address = `${origin}/index.html` }: Opening = {},
): BrowserWindow {
  const window = new BrowserWindow({
    width: 1280,
    height: 860,
    minWidth: 720,
    minHeight: 480,
    show: false,
    title: 'Cambium',
    webPreferences: {
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      spellcheck: false,
    },
  });
  const { webContents } = window;
  webContents.setWindowOpenHandler(({ url }) => {
    if (isHubPage(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
  webContents.on('will-navigate', (event) => {
    event.preventDefault();
  });
  webContents.on('will-attach-webview', (event) => {
    event.preventDefault();
  });
  let close = (): void => undefined;
  webContents.on('did-finish-load', () => {
    close();
    const { port1, port2 } = new MessageChannelMain();
    const channel = mainPortChannel(port1);
    close = channel.close;
    serve(contract, api, channel);
    webContents.postMessage('cambium:port', null, [port2]);
  });
  window.on('closed', () => {
    close();
  });
  window.once('ready-to-show', () => {
    window.show();
  });
  void window.loadURL(`${address}${route}`);
  return window;
}
