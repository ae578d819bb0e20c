/** @file Starts the built app with a temporary home, and opens it in Chromium. Errors of a page fail its test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { findChromium } from '../tests/support/chromium.ts';
import { makeTinyCheckpoint, type TinyOptions } from '../tests/support/tiny.ts';

export const root = resolve(import.meta.dirname, '..');
export const screenshots = join(root, 'e2e', 'screenshots');
/** How long an action may take, in milliseconds. Long, because a busy machine is slow. */
export const timeout = 60_000;

/** A suite that needs a browser. Without one it is skipped. */
export function scenario(title: string, body: (app: App) => void): void {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    skipSuite(title, 'needs Chromium: install it, or set CAMBIUM_CHROMIUM to its path');
    return;
  }
  describe(title, () => {
    const app = new App(executablePath);
    beforeAll(() => app.start());
    afterEach(async ({ task }) => {
      await app.checkComplaints(task.name, task.result?.state === 'fail');
    });
    afterAll(() => app.stop());
    body(app);
  });
}

/** Skips a suite and shows the reason. */
export function skipSuite(title: string, reason: string): void {
  console.warn(`skipped: ${title}: ${reason}`);
  describe(title, () => {
    it.skip(reason, () => undefined);
  });
}

/** The default checkpoint. */
const tinyOptions: TinyOptions = {
  tokenizer: true,
  dims: { hidden: 32, ffn: 64, kv_heads: 2, heads: 4, group: 2, head_dim: 8, positions: 128, layers: 2 },
  config: { max_position_embeddings: 128 },
};

export class App {
  /** A temporary home folder, in which the server is started. */
  readonly dir = mkdtempSync(join(tmpdir(), 'cambium-e2e-'));
  readonly home = join(this.dir, 'home');
  readonly text = join(this.dir, 'stories.txt');
  /** Environment variables of the server. */
  readonly environment: Record<string, string> = {};
  readonly #executablePath: string;
  #browser: Browser | undefined;
  #server: ChildProcess | undefined;
  #page: Page | undefined;
  /** Errors of the page since the last check. */
  #complaints: string[] = [];
  #allowed: RegExp[] = [];
  address = '';

  constructor(executablePath: string) {
    this.#executablePath = executablePath;
  }

  get page(): Page {
    return this.#page!;
  }
  get browser(): Browser {
    return this.#browser!;
  }
  get pid(): number {
    return this.#server!.pid!;
  }
  get port(): number {
    return Number(new URL(this.address).port);
  }

  async start(): Promise<void> {
    writeFileSync(this.text, toyCorpus(60_000, { seed: 7 }));
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const [browser] = await Promise.all([
      chromium.launch({
        executablePath: this.#executablePath,
        args: [...sandbox, '--disable-dev-shm-usage'],
      }),
      this.startServer(),
    ]);
    this.#browser = browser;
    await this.openPage();
  }

  /** Writes a tiny random checkpoint to the home folder and returns its path. */
  createCheckpoint(name: string, family = 'llama', more: TinyOptions = {}): Promise<string> {
    return makeTinyCheckpoint(family, {
      ...tinyOptions,
      ...more,
      dims: { ...tinyOptions.dims, ...more.dims },
      dir: join(this.dir, name),
    });
  }

  /** Starts the server and reads its address. */
  async startServer(port = 0): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(root, 'bin', 'cambium.mjs'), 'serve', '--port', String(port), '--json'],
      {
        cwd: this.dir,
        detached: process.platform !== 'win32',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          HOME: this.dir,
          USERPROFILE: this.dir,
          CAMBIUM_HOME: this.home,
          ...this.environment,
        },
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

  /** Ends the server, politely or like a power failure, and waits until it is gone. */
  async stopServer(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#server!;
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

  /** Replaces the page by a new one at the address of the server. */
  async openPage(
    options: Parameters<Browser['newPage']>[0] = {
      viewport: { width: 1280, height: 860 },
      reducedMotion: 'reduce',
    },
  ): Promise<Page> {
    await this.#page?.context().close();
    const page = this.watchPage(await this.browser.newPage(options));
    this.#page = page;
    await page.goto(this.address);
    await page.getByTestId('drop-zone').waitFor();
    return page;
  }

  /** Collects console errors, thrown errors and violations of the content security policy. */
  watchPage(page: Page): Page {
    page.setDefaultTimeout(timeout);
    const complain = (what: string): void => {
      this.#complaints.push(what);
    };
    page.on('console', (message) => {
      if (message.type() === 'error') complain(`console: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => {
      complain(`thrown: ${error.stack ?? error.message}`);
    });
    page.on('crash', () => {
      complain('the page crashed');
    });
    void page.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      console.error('content policy: ' + violatedDirective + ' ' + blockedURI);
    })`);
    return page;
  }

  /** Allows complaints that the current test causes. */
  allowComplaints(...patterns: readonly RegExp[]): void {
    this.#allowed.push(...patterns);
  }
  hasComplaint(pattern: RegExp): boolean {
    return this.#complaints.some((text) => pattern.test(text));
  }

  /** Fails a test whose page has complained. Takes a screenshot of a failure. */
  async checkComplaints(name: string, hasFailed: boolean): Promise<void> {
    // Waits for complaints that are still on their way.
    await this.#page?.evaluate('new Promise((resolve) => setTimeout(resolve, 0))').catch(() => undefined);
    const complaints = this.#complaints.filter(
      (text) => !this.#allowed.some((pattern) => pattern.test(text)),
    );
    this.#complaints = [];
    this.#allowed = [];
    if (hasFailed || complaints.length > 0) {
      mkdirSync(screenshots, { recursive: true });
      await this.#page
        ?.screenshot({
          path: join(screenshots, `failed-${name.replace(/\W+/g, '-').toLowerCase()}.png`),
          fullPage: true,
          timeout: 5000,
        })
        .catch(() => undefined);
    }
    expect(complaints, 'complaints of the page').toEqual([]);
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    if (this.#server) await this.stopServer('SIGTERM');
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}
