/** @file Starts the built app with a temporary home, and opens its page. Errors of a page fail its test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { makeTinyCheckpoint, type TinyOptions } from '../tests/support/tiny.ts';
import { createHost, isDesktop, type Host, type PageOptions } from './host.ts';
import { screenshots, timeout } from './paths.ts';

export { root, screenshots, timeout } from './paths.ts';
export { isDesktop } from './host.ts';

interface ScenarioOptions {
  /** Why the desktop app has no such scenario; absent if it has. */
  readonly notInDesktop?: string;
}

/** A suite that needs a browser or the desktop app. Without one it is skipped. */
export function scenario(
  title: string,
  body: (app: App) => void,
  { notInDesktop }: ScenarioOptions = {},
): void {
  if (isDesktop && notInDesktop !== undefined) {
    skipSuite(title, notInDesktop);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'cambium-e2e-'));
  const host = createHost(dir);
  if (typeof host === 'string') {
    rmSync(dir, { recursive: true });
    skipSuite(title, host);
    return;
  }
  describe(title, () => {
    const app = new App(dir, host);
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
  /** A temporary home folder, in which the app is started. */
  readonly dir: string;
  readonly home: string;
  readonly text: string;
  /** Environment variables of the app. */
  readonly environment: Record<string, string> = {};
  readonly #host: Host & { readonly browser?: Browser | undefined };
  #page: Page | undefined;
  /** Errors of the page since the last check. */
  #complaints: string[] = [];
  #allowed: RegExp[] = [];

  constructor(dir: string, host: Host) {
    this.dir = dir;
    this.home = join(dir, 'home');
    this.text = join(dir, 'stories.txt');
    this.#host = host;
  }

  get page(): Page {
    return this.#page!;
  }
  get browser(): Browser {
    return this.#host.browser!;
  }
  get address(): string {
    return this.#host.address;
  }
  /** What the addresses of the page begin with, before `/#/`. */
  get origin(): string {
    return this.#host.origin;
  }
  get pid(): number {
    return this.#host.process.pid!;
  }
  get port(): number {
    return Number(new URL(this.address).port);
  }

  async start(): Promise<void> {
    writeFileSync(this.text, toyCorpus(60_000, { seed: 7 }));
    await this.startServer();
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

  /** Starts the server, or the desktop app, which has no port. */
  startServer(port = 0): Promise<void> {
    return this.#host.start(this.environment, port);
  }

  /** Ends the server or the desktop app, politely or like a power failure, and waits until it is gone. */
  stopServer(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return this.#host.stop(signal);
  }

  /** Replaces the page by a new one at its first address. */
  async openPage(
    options: PageOptions = {
      viewport: { width: 1280, height: 860 },
      reducedMotion: 'reduce',
    },
  ): Promise<Page> {
    this.#page = await this.#host.openPage(options, (page) => this.watchPage(page));
    await this.#page.getByTestId('drop-zone').waitFor();
    return this.#page;
  }
  closePage(): Promise<void> {
    return this.#host.closePage();
  }
  /** Opens a page by its route, such as `runs` or `run?id=…`. */
  async goTo(route: string): Promise<void> {
    await this.page.goto(`${this.origin}/#/${route}`);
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
    await this.#host.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}
