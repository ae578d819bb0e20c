import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fake, type FakeWindow } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import {
  guardSession,
  openWindow,
  registerScheme,
  showRoute,
  type WindowOptions,
} from '../../../src-main/entry/desktop/window.ts';
import { createMainPortChannel } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { service as contract, type Service } from '../../../src-main/contract/service.ts';

const api = { about: () => Promise.resolve({ version: '9' }) } as unknown as Service;
beforeEach(() => {
  fake.windows.length = 0;
});

function open(options?: WindowOptions): FakeWindow {
  openWindow(api, '/preload.cjs', options);
  return fake.windows[0]!;
}
const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe('openWindow', () => {
  it('isolates and sandboxes the page', () => {
    const { options, loadedUrl } = open();
    expect(options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      preload: '/preload.cjs',
    });
    expect(loadedUrl).toBe('app://cambium/index.html');
  });

  it('denies new windows, and opens only pages of the Hub in a browser', () => {
    const { webContents } = open();
    for (const url of [
      'https://huggingface.co/org/model',
      'https://huggingface.co.evil.example/',
      'http://huggingface.co/',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'nonsense',
    ])
      expect(webContents.openHandler!({ url })).toEqual({ action: 'deny' });
    expect(fake.openedUrls).toEqual(['https://huggingface.co/org/model']);
  });

  it('lets the page reload itself, at any route', () => {
    const window = open({ route: '#/runs' });
    for (const [url, times] of [
      ['app://cambium/index.html#/', 0],
      ['app://cambium/other.html', 1],
      ['https://example.org/index.html', 1],
    ] as const) {
      const event = { url, preventDefault: vi.fn() };
      window.webContents.emit('will-navigate', event);
      expect(event.preventDefault, url).toHaveBeenCalledTimes(times);
    }
  });

  it.each(['will-navigate', 'will-attach-webview'])('prevents %s', (name) => {
    const event = { url: 'https://example.org/', preventDefault: vi.fn() };
    open().webContents.emit(name, event);
    expect(event.preventDefault).toHaveBeenCalledOnce();
  });

  it('starts on a page; showRoute goes to another one', () => {
    const window = open({ route: '#/run?id=x' });
    expect(window.loadedUrl).toBe('app://cambium/index.html#/run?id=x');
    showRoute(window as never, '#/checkpoint?dir=%2Fa');
    expect(window.loadedUrl).toBe('app://cambium/index.html#/checkpoint?dir=%2Fa');
  });

  it('gives each loaded page a new port to the service, and closes the previous one', async () => {
    const window = open();
    const { webContents } = window;
    const connectPage = (index: number): Service =>
      connect(contract, createMainPortChannel(webContents.posted[index]!.ports[0]!));
    webContents.emit('did-finish-load');
    const first = connectPage(0);
    expect(webContents.posted[0]!.channel).toBe('cambium:port');
    expect(await first.about({})).toEqual({ version: '9' });
    webContents.emit('did-finish-load');
    await wait(20);
    await expect(first.about({})).rejects.toMatchObject({ code: 'rpc/closed' });
    const second = connectPage(1);
    expect(await second.about({})).toEqual({ version: '9' });
    window.emit('closed');
    await wait(20);
    await expect(second.about({})).rejects.toMatchObject({ code: 'rpc/closed' });
  });
});

describe('guardSession', () => {
  it('serves the page with a content security policy, and nothing else', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-page-'));
    writeFileSync(join(dir, 'index.html'), 'page');
    registerScheme();
    guardSession(dir);
    const get = fake.protocolHandlers.get('app')!;
    const found = await get({ url: 'app://cambium/index.html' });
    expect([found.status, await found.text()]).toEqual([200, 'page']);
    expect(found.headers.get('Content-Security-Policy')).toContain("default-src 'none'");
    for (const url of ['app://cambium/../x', 'app://other/index.html', 'app://cambium/%2e%2e/etc/passwd'])
      expect((await get({ url })).status).toBe(404);
    rmSync(dir, { recursive: true });
  });

  it('denies all permissions and other addresses', () => {
    guardSession('/nowhere');
    const decide = vi.fn();
    fake.permissionRequest!(null, 'media', decide);
    expect(decide).toHaveBeenCalledWith(false);
    expect(fake.permissionCheck!()).toBe(false);
    expect(fake.blockedUrls).toEqual(expect.arrayContaining(['https://*/*', 'file://*/*']) as string[]);
  });
});
