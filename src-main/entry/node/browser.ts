/** @file Opens the page in a browser, without showing the address to other users of this computer. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from './command.ts';

/** Milliseconds after which the file that leads to the page is removed. */
const fileLife = 60_000;

/**
 * Opens an address that gives access once. On macOS, where every user sees the command lines of all others and a
 * connection does not tell whose it is, the browser opens a private file that leads there.
 */
export async function openInBrowser(
  { browser, out }: Pick<Context, 'browser' | 'out'>,
  home: string,
  address: string,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  if (browser === null) {
    out.note('No browser was found; open the address yourself');
    return;
  }
  const target = platform === 'darwin' ? writeRedirect(home, address) : address;
  spawn(browser, [target], { stdio: 'ignore', detached: true })
    .on('error', () => {
      out.note('The browser could not be started; open the address yourself');
    })
    .unref();
}

/** Writes a page that only its owner may read and that leads to `address`; returns its path. */
function writeRedirect(home: string, address: string): string {
  const path = join(home, 'open.html');
  const remove = (): void => {
    rmSync(path, { force: true });
  };
  remove();
  const page = `<!doctype html><script>location.replace(${JSON.stringify(address)})</script>\n`;
  writeFileSync(path, page, { mode: 0o600, flag: 'wx' });
  setTimeout(remove, fileLife).unref();
  process.once('exit', remove);
  return path;
}
