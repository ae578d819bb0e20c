/** @file Starts the built desktop app in Electron with a temporary home. Its system dialogs answer without a person. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ElectronApplication, Page } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';
import { skipSuite } from './app.ts';
import { createEnvironment, findDesktop, launchDesktop, listDesktopArguments } from './electron.ts';
import { timeout } from './paths.ts';

/** A suite that needs Electron and a display. Without them it is skipped. */
export function desktopScenario(title: string, body: (desktop: DesktopApp) => void): void {
  const found = findDesktop();
  if ('missing' in found) {
    skipSuite(title, found.missing);
    return;
  }
  describe(title, () => {
    const desktop = new DesktopApp(found.binary);
    beforeAll(() => desktop.start());
    afterAll(() => desktop.stop());
    body(desktop);
  });
}

export class DesktopApp {
  /** A temporary home folder. */
  readonly dir = mkdtempSync(join(tmpdir(), 'cambium-desktop-'));
  readonly binary: string;
  /** The command line of a start without arguments of the user. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Errors of the page. */
  readonly complaints: string[] = [];
  #app: ElectronApplication | undefined;
  #page: Page | undefined;

  constructor(binary: string) {
    this.binary = binary;
    this.args = listDesktopArguments(this.dir);
    this.env = createEnvironment(this.dir);
  }

  get app(): ElectronApplication {
    return this.#app!;
  }
  get page(): Page {
    return this.#page!;
  }

  /** Starts the app with further arguments, and waits for its first page. */
  async start(...args: readonly string[]): Promise<Page> {
    this.#app = await launchDesktop(this.binary, [...this.args, ...args], this.env);
    const page = this.watchPage(await this.#app.firstWindow());
    await page.getByRole('heading', { level: 1 }).waitFor();
    return page;
  }

  /** Makes `page` the current one, and collects its errors. */
  watchPage(page: Page): Page {
    this.#page = page;
    page.setDefaultTimeout(timeout);
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => {
      this.complaints.push(error.message);
    });
    return page;
  }

  /** The system's dialogs answer without a person: a file dialog with `paths`, a question with `button`. */
  answerDialogs(paths: readonly string[], button: number): Promise<void> {
    return this.app.evaluate(
      ({ dialog }, answer) => {
        const record = globalThis as { asked?: string[] };
        record.asked = [];
        dialog.showOpenDialog = () =>
          Promise.resolve({ canceled: answer.paths.length === 0, filePaths: [...answer.paths] });
        dialog.showMessageBox = (...args: unknown[]) => {
          record.asked!.push((args.at(-1) as { message: string }).message);
          return Promise.resolve({ response: answer.button, checkboxChecked: false });
        };
      },
      { paths, button },
    );
  }
  /** The questions that were asked since `answerDialogs`. */
  listAsked(): Promise<readonly string[]> {
    return this.app.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
  }

  /** Asks the app to quit, as its menu does. */
  quit(): Promise<void> {
    return this.app.evaluate(({ app }) => {
      app.quit();
    });
  }

  /** Clicks an entry of the menu. */
  clickMenu(id: string): Promise<void> {
    return this.app.evaluate(({ Menu }, item) => {
      Menu.getApplicationMenu()!.getMenuItemById(item)!.click();
    }, id);
  }

  async stop(): Promise<void> {
    this.#app?.process().kill('SIGKILL');
    await this.#app?.close().catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}
