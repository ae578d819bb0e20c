/**
 * @file The parts of Electron that the desktop entry uses, recording the calls. Use it with
 * `vi.mock('electron', async () => (await import('./fake-electron.ts')).electron)`.
 */
import { EventEmitter } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { MainPortLike } from '../../../src-main/base/transports.ts';

export class FakeWebContents extends EventEmitter {
  readonly posted: { channel: string; ports: MainPortLike[] }[] = [];
  /** Decides about a window that the page opens. */
  openHandler: ((details: { url: string }) => unknown) | undefined;
  getURL(): string {
    return 'app://cambium/index.html#/';
  }
  setWindowOpenHandler(handler: (details: { url: string }) => unknown): void {
    this.openHandler = handler;
  }
  postMessage(channel: string, _message: unknown, ports: MainPortLike[]): void {
    this.posted.push({ channel, ports });
  }
}

export interface FakeWindowOptions {
  readonly webPreferences: Readonly<Record<string, unknown>>;
}

export class FakeWindow extends EventEmitter {
  readonly webContents = new FakeWebContents();
  readonly options: FakeWindowOptions;
  loadedUrl = '';
  constructor(options: FakeWindowOptions) {
    super();
    this.options = options;
    fake.windows.push(this);
  }
  loadURL(url: string): Promise<void> {
    this.loadedUrl = url;
    return Promise.resolve();
  }
  show(): void {
    // Nothing to show.
  }
  isDestroyed(): boolean {
    return false;
  }
}

/** A utility process that ignores `kill`, as one that hangs does. */
export class FakeUtilityProcess extends EventEmitter {
  readonly script: string;
  readonly posted: unknown[] = [];
  readonly stderr = new EventEmitter();
  readonly pid = 4_194_400 + fake.processes.length;
  constructor(script: string) {
    super();
    this.script = script;
    fake.processes.push(this);
    queueMicrotask(() => this.emit('spawn'));
  }
  postMessage(message: unknown): void {
    this.posted.push(message);
  }
  kill(): void {
    // Ignored.
  }
}

export class FakeNotification extends EventEmitter {
  readonly title: string;
  readonly body: string;
  constructor({ title, body }: { title: string; body: string }) {
    super();
    this.title = title;
    this.body = body;
  }
  show(): void {
    fake.notifications.push(this);
  }
}

export interface MenuItem {
  readonly label?: string;
  readonly role?: string;
  readonly id?: string;
  readonly click?: () => void;
  readonly submenu?: readonly MenuItem[];
}
type PermissionHandler = (contents: unknown, permission: string, decide: (granted: boolean) => void) => void;

/** What was called, and what the fake answers. */
export const fake = {
  windows: [] as FakeWindow[],
  processes: [] as FakeUtilityProcess[],
  notifications: [] as FakeNotification[],
  messageBoxes: [] as { message: string; detail?: string }[],
  /** The index of the button that is pressed in the next message box. */
  pressedButton: 0,
  isPackaged: true,
  protocolHandlers: new Map<string, (request: { url: string }) => Promise<Response>>(),
  permissionRequest: undefined as PermissionHandler | undefined,
  permissionCheck: undefined as (() => boolean) | undefined,
  blockedUrls: [] as string[],
  exposed: {} as Record<string, unknown>,
  ipcListeners: new Map<string, (event: { ports: unknown[] }) => void>(),
  openedUrls: [] as string[],
  /** Answers what the page asks the main process. */
  invoke: (..._args: unknown[]): unknown => undefined,
  ipcHandlers: new Map<string, (event: { sender: unknown }, value: unknown) => Promise<unknown>>(),
  openDialogs: [] as { properties: readonly string[]; defaultPath?: string }[],
  /** What is chosen in the next file dialog; empty if it is cancelled. */
  chosenPaths: [] as string[],
  quits: 0,
  /** The power-save blockers that are on, by id. */
  blockers: new Map<number, string>(),
  menu: [] as MenuItem[],
  encryption: { available: true, backend: 'gnome_libsecret' },
};

class FakeMessageChannelMain {
  readonly port1: MainPortLike;
  readonly port2: MainPortLike;
  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port1 = toMainPort(port1);
    this.port2 = toMainPort(port2);
  }
}

const toMainPort = (port: MessagePort): MainPortLike =>
  ({
    postMessage(message: unknown) {
      port.postMessage(message);
    },
    start() {
      port.ref();
    },
    close() {
      port.close();
    },
    on: (type: string, listener: (event?: unknown) => void) =>
      port.on(type as 'message', (value: unknown) => {
        listener(type === 'message' ? { data: value } : undefined);
      }),
  }) as unknown as MainPortLike;

const mask = 7;

function createApp() {
  const app = new EventEmitter();
  Object.defineProperty(app, 'isPackaged', { get: () => fake.isPackaged });
  return Object.assign(app, {
    getVersion: () => '0.1.0',
    whenReady: () => Promise.resolve(),
    quit() {
      fake.quits++;
    },
  });
}

/** The module. */
export const electron = {
  BrowserWindow: Object.assign(FakeWindow, {
    fromWebContents: (contents: unknown) =>
      fake.windows.find(({ webContents }) => webContents === contents) ?? null,
  }),
  Menu: {
    buildFromTemplate: (template: MenuItem[]) => template,
    setApplicationMenu(menu: MenuItem[]) {
      fake.menu = menu;
    },
  },
  powerMonitor: new EventEmitter(),
  powerSaveBlocker: {
    start(type: string) {
      const id = fake.blockers.size + 1;
      fake.blockers.set(id, type);
      return id;
    },
    stop: (id: number) => fake.blockers.delete(id),
  },
  ipcMain: {
    handle(channel: string, handler: (event: { sender: unknown }, value: unknown) => Promise<unknown>) {
      fake.ipcHandlers.set(channel, handler);
    },
  },
  MessageChannelMain: FakeMessageChannelMain,
  Notification: FakeNotification,
  app: createApp(),
  dialog: {
    showMessageBox(box: { message: string; detail?: string }) {
      fake.messageBoxes.push(box);
      return Promise.resolve({ response: fake.pressedButton });
    },
    showOpenDialog(...args: { properties: readonly string[]; defaultPath?: string }[]) {
      fake.openDialogs.push(args.at(-1)!);
      return Promise.resolve({ canceled: fake.chosenPaths.length === 0, filePaths: fake.chosenPaths });
    },
  },
  shell: {
    openExternal(url: string) {
      fake.openedUrls.push(url);
      return Promise.resolve();
    },
  },
  protocol: {
    registerSchemesAsPrivileged: () => undefined,
    handle(scheme: string, handler: (request: { url: string }) => Promise<Response>) {
      fake.protocolHandlers.set(scheme, handler);
    },
  },
  session: {
    defaultSession: {
      setPermissionRequestHandler(handler: PermissionHandler) {
        fake.permissionRequest = handler;
      },
      setPermissionCheckHandler(handler: () => boolean) {
        fake.permissionCheck = handler;
      },
      webRequest: {
        onBeforeRequest(filter: { urls: string[] }) {
          fake.blockedUrls = filter.urls;
        },
      },
    },
  },
  contextBridge: {
    exposeInMainWorld(name: string, value: unknown) {
      fake.exposed[name] = value;
    },
  },
  ipcRenderer: {
    invoke: (...args: unknown[]) => Promise.resolve(fake.invoke(...args)),
    on(channel: string, listener: (event: { ports: unknown[] }) => void) {
      fake.ipcListeners.set(channel, listener);
    },
  },
  webUtils: { getPathForFile: (file: { path: string }) => file.path },
  utilityProcess: { fork: (script: string) => new FakeUtilityProcess(script) },
  safeStorage: {
    isEncryptionAvailable: () => fake.encryption.available,
    getSelectedStorageBackend: () => fake.encryption.backend,
    encryptString: (text: string) =>
      Buffer.from([...text].reverse().map((letter) => letter.charCodeAt(0) ^ mask)),
    decryptString(encrypted: Buffer) {
      if (encrypted.length < 3) throw new Error('cannot be decrypted');
      const letters = [...encrypted].map((byte) => String.fromCharCode(byte ^ mask));
      return letters.reverse().join('');
    },
  },
};
