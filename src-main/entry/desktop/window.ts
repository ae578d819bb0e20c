/** @file The window of the app: sandboxed, without permissions, navigation or access to the network. */
import { BrowserWindow, MessageChannelMain, protocol, session, shell } from 'electron';
import { createMainPortChannel } from '../../base/transports.ts';
import { serve } from '../../contract/serve.ts';
import { service as contract, type Service } from '../../contract/service.ts';
import { pageHeaders, readPageFile } from '../pages.ts';

export const origin = 'app://cambium';

/** Registers the scheme of the page as a standard, secure one. Must be called before the app is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

/** Serves the built page in `folder` as `app://cambium/`. Denies all permissions and all other addresses. */
export function guardSession(folder: string): void {
  protocol.handle('app', async (request) => {
    const { host, pathname } = new URL(request.url);
    const file = host === 'cambium' ? await readPageFile(folder, pathname) : undefined;
    if (!file) return new Response('Not found', { status: 404, headers: pageHeaders });
    const headers = { ...pageHeaders, 'Content-Type': file.type };
    return new Response(new Uint8Array(file.body), { headers });
  });
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((_contents, _permission, decide) => {
    decide(false);
  });
  defaultSession.setPermissionCheckHandler(() => false);
  defaultSession.webRequest.onBeforeRequest(
    { urls: ['http://*/*', 'https://*/*', 'ws://*/*', 'wss://*/*', 'file://*/*'] },
    (_details, decide) => {
      decide({ cancel: true });
    },
  );
}

export interface WindowOptions {
  /** The first page (`#/…`). */
  readonly route?: string | undefined;
  /** The address of a development server, instead of the built page. */
  readonly address?: string | undefined;
}

/** Shows another page in an open window, which keeps its connection. */
export function showRoute(window: BrowserWindow, route: string): void {
  const address = new URL(window.webContents.getURL() || `${origin}/index.html`);
  address.hash = route;
  void window.loadURL(address.href);
}

const hubAddress = 'https://huggingface.co';

/** True for a page of the Hub, which may be opened in a browser to accept terms or to create a token. */
export function isHubPage(address: string, endpoint = process.env['HF_ENDPOINT'] || hubAddress): boolean {
  const addressOrigin = URL.parse(address)?.origin;
  return (
    addressOrigin !== undefined &&
    addressOrigin.startsWith('https://') &&
    [hubAddress, URL.parse(endpoint)?.origin].includes(addressOrigin)
  );
}

/** Opens the window. Every load of its page gets a new port to `api`. */
export function openWindow(
  api: Service,
  preload: string,
  { route = '', address = `${origin}/index.html` }: WindowOptions = {},
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
  denyNavigation(window);
  connectPages(window, api);
  window.once('ready-to-show', () => {
    window.show();
  });
  void window.loadURL(`${address}${route}`);
  return window;
}

const withoutHash = (address: string): string => address.replace(/#.*$/, '');

/** True if `to` is the page that is shown, whatever its route. */
const isReload = (shown: string, to: string): boolean =>
  shown !== '' && withoutHash(shown) === withoutHash(to);

function denyNavigation({ webContents }: BrowserWindow): void {
  webContents.setWindowOpenHandler(({ url }) => {
    if (isHubPage(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
  webContents.on('will-navigate', (event) => {
    // The page reloads itself when it switches to a remote host.
    if (!isReload(webContents.getURL(), event.url)) event.preventDefault();
  });
  webContents.on('will-attach-webview', (event) => {
    event.preventDefault();
  });
}

/** Connects each page that is loaded, and closes the connection of the one before. */
function connectPages(window: BrowserWindow, api: Service): void {
  const { webContents } = window;
  let close = (): void => undefined;
  webContents.on('did-finish-load', () => {
    close();
    const { port1, port2 } = new MessageChannelMain();
    const channel = createMainPortChannel(port1);
    close = channel.close;
    serve(contract, api, channel);
    webContents.postMessage('cambium:port', null, [port2]);
  });
  window.on('closed', () => {
    close();
  });
}
