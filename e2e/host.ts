/**
 * @file Where a spec sees the page: Chromium with a server, or with CAMBIUM_E2E=desktop the window of the desktop app.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type ElectronApplication, type Page } from 'playwright-core';
import { findChromium } from '../tests/support/chromium.ts';
import { registerWindow } from './downloads.ts';
import {
  answerQuestions,
  createEnvironment,
  findDesktop,
  launchDesktop,
  listDesktopArguments,
} from './electron.ts';
import { root } from './paths.ts';

export type PageOptions = NonNullable<Parameters<Browser['newPage']>[0]>;

/** A program that serves the page, and a window that shows it. */
export interface Host {
  /** What the addresses of the page begin with, before `/#/`. */
  readonly origin: string;
  /** The address of the page; that of a server has its token. */
  readonly address: string;
  /** The program that has the service. */
  readonly process: ChildProcess;
  start(environment: Readonly<Record<string, string>>, port: number): Promise<void>;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** A new page with nothing stored, which `watch` sees before anything is loaded. */
  openPage(options: PageOptions, watch: (page: Page) => void): Promise<Page>;
  /** Leaves the page, as a closed tab does. */
  closePage(): Promise<void>;
  /** Ends what is left. */
  close(): Promise<void>;
}

export const isDesktop = process.env['CAMBIUM_E2E'] === 'desktop';

/** The host that was asked for, or why it is missing. */
export function createHost(dir: string): (Host & { browser?: Browser | undefined }) | string {
  if (isDesktop) {
    const desktop = findDesktop();
    return 'binary' in desktop ? new DesktopHost(dir, desktop.binary) : desktop.missing;
  }
  const executablePath = findChromium();
  return executablePath === undefined
    ? 'needs Chromium: install it, or set CAMBIUM_CHROMIUM to its path'
    : new BrowserHost(dir, executablePath);
}

/** Ends a process group, politely or like a power failure, and waits until it is gone. */
async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  if (process.platform === 'win32') child.kill(signal);
  else process.kill(-child.pid!, signal);
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
  }, 20_000);
  await exit;
  clearTimeout(timer);
}

class BrowserHost implements Host {
  browser: Browser | undefined;
  address = '';
  readonly #dir: string;
  readonly #executablePath: string;
  #server: ChildProcess | undefined;
  #page: Page | undefined;

  constructor(dir: string, executablePath: string) {
    this.#dir = dir;
    this.#executablePath = executablePath;
  }
  get origin(): string {
    return new URL(this.address).origin;
  }
  get process(): ChildProcess {
    return this.#server!;
  }

  async start(environment: Readonly<Record<string, string>>, port: number): Promise<void> {
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    await Promise.all([
      this.#startServer(environment, port),
      (async () => {
        this.browser ??= await chromium.launch({
          executablePath: this.#executablePath,
          args: [...sandbox, '--disable-dev-shm-usage'],
        });
      })(),
    ]);
  }

  async #startServer(environment: Readonly<Record<string, string>>, port: number): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(root, 'bin', 'cambium.mjs'), 'serve', '--port', String(port), '--json'],
      {
        cwd: this.#dir,
        detached: process.platform !== 'win32',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: createEnvironment(this.#dir, environment),
      },
    );
    this.#server = child;
    let errorOutput = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errorOutput = (errorOutput + text).slice(-4000);
    });
    this.address = await new Promise((resolveAddress, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        resolveAddress((JSON.parse(line) as { address: string }).address);
      });
      child.once('exit', (code) => {
        reject(new Error(`the server ended with ${code}: ${errorOutput}`));
      });
    });
  }

  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return endProcess(this.#server!, signal);
  }
  async openPage(options: PageOptions, watch: (page: Page) => void): Promise<Page> {
    await this.closePage();
    const page = await this.browser!.newPage(options);
    watch(page);
    this.#page = page;
    await page.goto(this.address);
    return page;
  }
  async closePage(): Promise<void> {
    await this.#page?.context().close();
    this.#page = undefined;
  }
  async close(): Promise<void> {
    await this.browser?.close();
    if (this.#server) await this.stop('SIGTERM');
  }
}

/** The buttons of the question that a quit asks while something is running. */
const stopAndQuit = 1;

class DesktopHost implements Host {
  readonly origin = 'app://cambium';
  readonly address = 'app://cambium/#/';
  readonly #dir: string;
  readonly #binary: string;
  #app: ElectronApplication | undefined;
  #watched: Page | undefined;

  constructor(dir: string, binary: string) {
    this.#dir = dir;
    this.#binary = binary;
  }
  get process(): ChildProcess {
    return this.#app!.process();
  }

  async start(environment: Readonly<Record<string, string>>): Promise<void> {
    const env = createEnvironment(this.#dir, environment);
    this.#app = await launchDesktop(this.#binary, listDesktopArguments(this.#dir), env);
    // Before its window is there, its main process still loads.
    await this.#app.firstWindow();
    await answerQuestions(this.#app, stopAndQuit);
  }
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const app = this.#app;
    if (!app) return;
    this.#app = undefined;
    const child = app.process();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    if (signal === 'SIGKILL') child.kill(signal);
    else
      await app.evaluate(({ app: own }) => {
        own.quit();
      });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, 20_000);
    await exit;
    clearTimeout(timer);
  }
  async openPage(options: PageOptions, watch: (page: Page) => void): Promise<Page> {
    const page = await this.#app!.firstWindow();
    if (page !== this.#watched) watch(page);
    registerWindow(page, this.#app!);
    this.#watched = page;
    await page.waitForLoadState();
    // A page that was left has no storage.
    await page.goto(this.address);
    await page.evaluate('localStorage.clear(); sessionStorage.clear()');
    if (options.viewport) await page.setViewportSize(options.viewport);
    await page.emulateMedia({
      reducedMotion: options.reducedMotion ?? null,
      colorScheme: options.colorScheme ?? null,
    });
    await page.goto('about:blank');
    await page.goto(this.address);
    return page;
  }
  async closePage(): Promise<void> {
    await this.#watched!.goto('about:blank');
  }
  close(): Promise<void> {
    return this.stop('SIGTERM');
  }
}
