/**
 * @file The built app on a temporary home, in a real browser: starts the server, opens pages, and fails a
 * spec on any complaint of a page.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { makeTinyCheckpoint, type TinyOptions } from '../tests/support/tiny.ts';

export const root = resolve(import.meta.dirname, '..');
export const screenshots = join(root, 'e2e', 'screenshots');
/** How long anything may take on a busy machine, in milliseconds. */
export const patience = 60_000;

const names = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'microsoft-edge',
];
const installed = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** A Chromium of this computer: CAMBIUM_CHROMIUM, or the first that is installed. */
export function findChromium(): string | undefined {
  const folders = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)];
  return [
    process.env['CAMBIUM_CHROMIUM'],
    ...names.flatMap((name) => folders.map((dir) => join(dir, name))),
    ...installed,
  ].find((path) => path && existsSync(path));
}

/** Specs that need a browser; where there is none, one skipped test says so. */
export function scenario(title: string, body: (app: App) => void): void {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    skipped(title, 'needs Chromium: install it, or give its path in CAMBIUM_CHROMIUM');
    return;
  }
  describe(title, () => {
    const app = new App(executablePath);
    beforeAll(() => app.start());
    afterEach(async ({ task }) => {
      await app.judge(task.name, task.result?.state === 'fail');
    });
    afterAll(() => app.end());
    body(app);
  });
}

/** A test that tells why it cannot run here. */
export function skipped(title: string, why: string): void {
  console.warn(`skipped: ${title}: ${why}`);
  describe(title, () => {
    it.skip(why, () => undefined);
  });
}

/** What the default checkpoint of the specs is like. */
const tiny: TinyOptions = {
  tokenizer: true,
  dims: { hidden: 32, ffn: 64, kv_heads: 2, heads: 4, group: 2, head_dim: 8, positions: 128, layers: 2 },
  config: { max_position_embeddings: 128 },
};

export class App {
  /** A temporary folder: the person's own folder, and where the server is started. */
  readonly dir = mkdtempSync(join(tmpdir(), 'cambium-e2e-'));
  readonly home = join(this.dir, 'home');
  readonly text = join(this.dir, 'stories.txt');
  /** More of the environment of the servers that are started from here. */
  readonly environment: Record<string, string> = {};
  readonly #executablePath: string;
  #browser: Browser | undefined;
  #server: ChildProcess | undefined;
  #page: Page | undefined;
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
    [this.#browser] = await Promise.all([
      chromium.launch({
        executablePath: this.#executablePath,
        args: [...sandbox, '--disable-dev-shm-usage'],
      }),
      this.serve(),
    ]);
    await this.open();
  }

  /** A tiny random checkpoint below the person's folder. */
  checkpoint(name: string, family = 'llama', more: TinyOptions = {}): Promise<string> {
    return makeTinyCheckpoint(family, {
      ...tiny,
      ...more,
      dims: { ...tiny.dims, ...more.dims },
      dir: join(this.dir, name),
    });
  }

  /** Starts the server; its address is known when this settles. */
  async serve(port = 0): Promise<void> {
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
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
    });
    this.address = await new Promise((good, bad) => {
      createInterface(child.stdout).on('line', (line) => {
        good((JSON.parse(line) as { address: string }).address);
      });
      child.once('exit', (code) => {
        bad(new Error(`the server ended with ${code}: ${said}`));
      });
    });
  }

  /** Ends the server as a person does, or as a power cut does; settles when it is gone. */
  async endServer(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#server!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((good) => {
      child.once('exit', () => {
        good();
      });
    });
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid!, signal);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, 20_000);
    await gone;
    clearTimeout(timer);
  }

  /** A new page at the printed address, in place of the old one. */
  async open(
    options: Parameters<Browser['newPage']>[0] = {
      viewport: { width: 1280, height: 860 },
      reducedMotion: 'reduce',
    },
  ): Promise<Page> {
    await this.#page?.context().close();
    const page = this.watched(await this.browser.newPage(options));
    this.#page = page;
    await page.goto(this.address);
    await page.getByTestId('drop-zone').waitFor();
    return page;
  }

  /** Hears every complaint of this page: console errors, thrown errors, broken content policy. */
  watched(page: Page): Page {
    page.setDefaultTimeout(patience);
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
    void page.addInitScript(
      "addEventListener('securitypolicyviolation', (e) => console.error(`content policy: ${e.violatedDirective} ${e.blockedURI}`))",
    );
    return page;
  }

  /** Complaints that this test provokes. */
  allow(...patterns: readonly RegExp[]): void {
    this.#allowed.push(...patterns);
  }
  heard(pattern: RegExp): boolean {
    return this.#complaints.some((text) => pattern.test(text));
  }

  /** Fails the test that ran when its page complained; keeps a picture of a failure. */
  async judge(name: string, failed: boolean): Promise<void> {
    // what it said last arrives first
    await this.#page?.evaluate('new Promise((good) => setTimeout(good, 0))').catch(() => undefined);
    const complaints = this.#complaints.filter(
      (text) => !this.#allowed.some((pattern) => pattern.test(text)),
    );
    this.#complaints = [];
    this.#allowed = [];
    if (failed || complaints.length > 0) {
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

  async end(): Promise<void> {
    await this.#browser?.close();
    if (this.#server) await this.endServer('SIGTERM');
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}
