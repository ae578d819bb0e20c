import type { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

/** Electron, as much as the desktop's four files use of it, remembering what it was asked. */
const fake = vi.hoisted(() => ({
  windows: [] as unknown[],
  handled: new Map<string, (request: { url: string }) => Promise<Response>>(),
  permission: [] as unknown[],
  blocked: [] as string[][],
  exposed: {} as Record<string, unknown>,
  heard: new Map<string, (event: { ports: unknown[] }) => void>(),
  forked: [] as unknown[],
  schemes: [] as unknown[],
  outside: [] as string[],
}));
vi.mock('electron', async () => {
  const { EventEmitter: Emitter } = await import('node:events');
  const { MessageChannel: Pair } = await import('node:worker_threads');
  class WebContents extends Emitter {
    posted: { channel: string; ports: unknown[] }[] = [];
    opens: ((asked: { url: string }) => unknown) | undefined;
    getURL(): string {
      return 'app://cambium/index.html#/';
    }
    setWindowOpenHandler(decide: (asked: { url: string }) => unknown): void {
      this.opens = decide;
    }
    postMessage(channel: string, _message: unknown, ports: unknown[]): void {
      this.posted.push({ channel, ports });
    }
  }
  class BrowserWindow extends Emitter {
    webContents = new WebContents();
    loaded = '';
    options: unknown;
    constructor(options: unknown) {
      super();
      this.options = options;
      fake.windows.push(this);
    }
    loadURL(url: string): Promise<void> {
      this.loaded = url;
      return Promise.resolve();
    }
    show(): void {
      /* shown */
    }
  }
  class MessageChannelMain {
    port1: unknown;
    port2: unknown;
    constructor() {
      const { port1, port2 } = new Pair();
      const face = (port: typeof port1) => ({
        postMessage: (m: unknown) => {
          port.postMessage(m);
        },
        start() {
          port.ref();
        },
        close() {
          port.close();
        },
        on: (type: string, f: (e?: unknown) => void) =>
          port.on(type as 'message', (v: unknown) => {
            f(type === 'message' ? { data: v } : undefined);
          }),
      });
      this.port1 = face(port1);
      this.port2 = face(port2);
    }
  }
  return {
    BrowserWindow,
    MessageChannelMain,
    shell: {
      openExternal: (url: string) => {
        fake.outside.push(url);
        return Promise.resolve();
      },
    },
    protocol: {
      registerSchemesAsPrivileged: (s: unknown) => {
        fake.schemes.push(s);
      },
      handle: (scheme: string, f: (request: { url: string }) => Promise<Response>) => {
        fake.handled.set(scheme, f);
      },
    },
    session: {
      defaultSession: {
        setPermissionRequestHandler: (f: unknown) => {
          fake.permission.push(f);
        },
        setPermissionCheckHandler: (f: unknown) => {
          fake.permission.push(f);
        },
        webRequest: {
          onBeforeRequest: (filter: { urls: string[] }) => {
            fake.blocked.push(filter.urls);
          },
        },
      },
    },
    contextBridge: {
      exposeInMainWorld: (name: string, value: unknown) => {
        fake.exposed[name] = value;
      },
    },
    ipcRenderer: {
      on: (channel: string, f: (event: { ports: unknown[] }) => void) => {
        fake.heard.set(channel, f);
      },
    },
    webUtils: { getPathForFile: (file: { at: string }) => file.at },
    utilityProcess: {
      fork: (script: string, given: unknown, options: unknown) => {
        const child = Object.assign(new Emitter(), {
          script,
          given,
          options,
          posted: [] as unknown[],
          stderr: new Emitter(),
          postMessage(m: unknown) {
            child.posted.push(m);
          },
          pid: 4_194_400 + fake.forked.length,
          kill() {
            /* asks, and this one does not hear */
          },
        });
        fake.forked.push(child);
        queueMicrotask(() => child.emit('spawn'));
        return child;
      },
    },
  };
});
import { parseExitCode, createUtilityProcesses } from '../../../src-main/entry/desktop/processes.ts';
import {
  guardSession,
  openWindow,
  registerScheme,
  showRoute,
} from '../../../src-main/entry/desktop/window.ts';
import { createMainPortChannel, type MainPortLike } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine } from '../../../src-main/contract/engine.ts';
import { service as contract, type Service } from '../../../src-main/contract/service.ts';

interface FakeWindow extends EventEmitter {
  readonly options: { webPreferences: Record<string, unknown> };
  readonly loaded: string;
  readonly webContents: EventEmitter & {
    readonly posted: { channel: string; ports: MainPortLike[] }[];
    opens: (asked: { url: string }) => unknown;
  };
}
const api = { about: () => Promise.resolve({ version: '9' }) } as unknown as Service;
beforeEach(() => {
  fake.windows.length = 0;
  fake.forked.length = 0;
});

describe('window', () => {
  const open = (): FakeWindow => {
    openWindow(api, '/preload.cjs');
    return fake.windows[0] as FakeWindow;
  };

  it('has every safety switch on', () => {
    const { options, loaded, webContents } = open();
    expect(options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      preload: '/preload.cjs',
    });
    expect(loaded).toBe('app://cambium/index.html');
    for (const url of [
      'https://huggingface.co/org/model',
      'https://huggingface.co.evil.example/',
      'http://huggingface.co/',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'nonsense',
    ])
      expect(webContents.opens({ url })).toEqual({ action: 'deny' });
    expect(fake.outside).toEqual(['https://huggingface.co/org/model']);
    for (const name of ['will-navigate', 'will-attach-webview']) {
      const event = { preventDefault: vi.fn() };
      webContents.emit(name, event);
      expect(event.preventDefault).toHaveBeenCalledOnce();
    }
  });

  it('begins where it is told, and goes elsewhere without losing its page', () => {
    openWindow(api, '/preload.cjs', { route: '#/run?id=x' });
    const window = fake.windows[0] as FakeWindow;
    expect(window.loaded).toBe('app://cambium/index.html#/run?id=x');
    showRoute(window as never, '#/checkpoint?dir=%2Fa');
    expect(window.loaded).toBe('app://cambium/index.html#/checkpoint?dir=%2Fa');
  });

  it('hands each load of the page a fresh port to the service, and closes the one before', async () => {
    const { webContents } = open();
    webContents.emit('did-finish-load');
    const first = connect(contract, createMainPortChannel(webContents.posted[0]!.ports[0]!));
    expect(webContents.posted[0]!.channel).toBe('cambium:port');
    expect(await first.about({})).toEqual({ version: '9' });
    webContents.emit('did-finish-load');
    await new Promise((r) => {
      setTimeout(r, 20);
    });
    await expect(first.about({})).rejects.toMatchObject({ code: 'rpc/closed' });
    const second = connect(contract, createMainPortChannel(webContents.posted[1]!.ports[0]!));
    expect(await second.about({})).toEqual({ version: '9' });
    (fake.windows[0] as EventEmitter).emit('closed');
    await new Promise((r) => {
      setTimeout(r, 20);
    });
    await expect(second.about({})).rejects.toMatchObject({ code: 'rpc/closed' });
  });

  it('serves the page under its own scheme with a content policy, and nothing outside', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-page-'));
    writeFileSync(join(dir, 'index.html'), 'page');
    registerScheme();
    guardSession(dir);
    const get = fake.handled.get('app')!;
    const found = await get({ url: 'app://cambium/index.html' });
    expect([found.status, await found.text()]).toEqual([200, 'page']);
    expect(found.headers.get('Content-Security-Policy')).toContain("default-src 'none'");
    for (const url of ['app://cambium/../x', 'app://other/index.html', 'app://cambium/%2e%2e/etc/passwd'])
      expect((await get({ url })).status).toBe(404);
    rmSync(dir, { recursive: true });
  });

  it('grants no permission and loads nothing from elsewhere', () => {
    const [ask, check] = fake.permission as [
      (c: unknown, p: string, decide: (ok: boolean) => void) => void,
      () => boolean,
    ];
    const decide = vi.fn();
    ask(null, 'media', decide);
    expect(decide).toHaveBeenCalledWith(false);
    expect(check()).toBe(false);
    expect(fake.blocked[0]).toEqual(expect.arrayContaining(['https://*/*', 'file://*/*']) as string[]);
  });
});

describe('preload', () => {
  it('exposes the path of a dropped file and passes the port on, nothing else', async () => {
    const posted: unknown[][] = [];
    vi.stubGlobal('window', {
      postMessage: (...given: unknown[]) => {
        posted.push(given);
      },
    });
    await import('../../../src-main/entry/desktop/preload.ts');
    expect(Object.keys(fake.exposed)).toEqual(['cambium']);
    const { desktop, pathOf, ...rest } = fake.exposed['cambium'] as {
      desktop: boolean;
      pathOf: (file: unknown) => string;
    };
    expect([desktop, pathOf({ at: '/a/b' }), rest]).toEqual([true, '/a/b', {}]);
    fake.heard.get('cambium:port')!({ ports: ['port'] });
    expect(posted).toEqual([['cambium:port', '*', ['port']]]);
    vi.unstubAllGlobals();
  });
});

describe('engines as utility processes', () => {
  interface Child extends EventEmitter {
    pid: number;
    script: string;
    posted: { t?: string }[];
    stderr: EventEmitter;
  }
  it('speaks through its port, writes its log, tells its end', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-log-'));
    const log = join(dir, 'log.txt');
    const process = await createUtilityProcesses('/engine.js').spawn({ log });
    const child = fake.forked[0] as Child;
    expect(child.script).toBe('/engine.js');
    const call = connect(engine, process).devices({});
    expect(child.posted[0]).toMatchObject({ type: 'request', name: 'devices' });
    child.emit('message', { type: 'response', id: 1, value: [] });
    expect(await call).toEqual([]);
    child.stderr.emit('data', Buffer.from('a line\n'));
    const lost = connect(engine, process).devices({});
    child.emit('exit', 3);
    await expect(lost).rejects.toMatchObject({ code: 'rpc/closed' });
    expect(await process.exited).toEqual({ code: 3, signal: null, lines: 'a line\n' });
    expect(readFileSync(log, 'utf8')).toBe('a line\n');
    rmSync(dir, { recursive: true });
  });

  it('ends when it is killed, also where it does not hear, and says by which signal', async () => {
    const engineProcess = await createUtilityProcesses('/engine.js').spawn({});
    const child = fake.forked[0] as Child;
    const kill = vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      if (pid === child.pid && signal === 'SIGKILL') child.emit('exit', 9);
      return true;
    });
    onTestFinished(() => {
      kill.mockRestore();
    });
    engineProcess.kill();
    const exit = await engineProcess.exited;
    expect(exit).toEqual(
      process.platform === 'win32'
        ? { code: 9, signal: null, lines: '' }
        : { code: null, signal: 'SIGKILL', lines: '' },
    );
    kill.mockImplementation(() => {
      throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
    });
    engineProcess.kill();
  });

  it.each([
    [9, 'SIGKILL'],
    [137, 'SIGKILL'],
    [6, 'SIGABRT'],
    [134, 'SIGABRT'],
    [139, 'SIGSEGV'],
    [0, null],
    [1, null],
    [3, null],
  ] as const)('an exit with %d is %s', (code, signal) => {
    expect(parseExitCode(code, 'linux')).toEqual({ code: signal === null ? code : null, signal });
    expect(parseExitCode(code, 'win32')).toEqual({ code, signal: null });
  });

  it('goes on without its log where that cannot be written', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-log-'));
    const process = await createUtilityProcesses('/engine.js').spawn({ log: join(dir, 'gone', 'log.txt') });
    const child = fake.forked[0] as Child;
    child.stderr.emit('data', Buffer.from('its last words\n'));
    child.emit('exit', 1);
    expect(await process.exited).toEqual({ code: 1, signal: null, lines: 'its last words\n' });
    rmSync(dir, { recursive: true });
  });
});
