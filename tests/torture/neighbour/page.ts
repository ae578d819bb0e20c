/** @file What a web page of another origin may try against the server, in a real Chromium. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import { findChromium } from '../../support/chromium.ts';
import type { OwnServer } from './server.ts';

export interface PageReport {
  readonly tried: number;
  readonly gained: readonly string[];
}

/** Runs in the page: everything that a page may try with the port. Returns what it gained. */
const script = (port: number): string => `(async () => {
  const gained = [];
  const hosts = ['127.0.0.1', 'localhost'];
  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (const host of hosts) {
    const address = 'http://' + host + ':${port}';
    for (const path of ['/', '/index.html', '/challenge?nonce=' + '0'.repeat(32), '/token', '/rpc'])
      for (const method of ['GET', 'POST'])
        for (const mode of ['cors', 'no-cors'])
          try {
            const body = method === 'POST' ? 'x' : undefined;
            const response = await fetch(address + path, { method, mode, credentials: 'include', body });
            const text = await response.text();
            if (text !== '') gained.push('read ' + method + ' ' + path);
          } catch {}
    const opened = await Promise.race([
      new Promise((resolve) => {
        const socket = new WebSocket('ws://' + host + ':${port}/rpc', ['cambium', 'cambium.' + '0'.repeat(64)]);
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      }),
      later(2000).then(() => false),
    ]);
    if (opened) gained.push('opened a WebSocket');
    const frame = document.createElement('iframe');
    frame.src = address + '/';
    document.body.append(frame);
    await Promise.race([new Promise((resolve) => { frame.onload = resolve; }), later(1000)]);
    try { if (frame.contentDocument?.getElementById('app')) gained.push('framed the page'); } catch {}
    const loaded = await new Promise((resolve) => {
      const image = document.createElement('script');
      image.onload = () => resolve(true);
      image.onerror = () => resolve(false);
      image.src = address + '/';
      document.head.append(image);
    });
    if (loaded) gained.push('loaded the page as a script');
    const popup = window.open(address + '/');
    await later(300);
    try { if (popup?.document?.getElementById('app')) gained.push('read a window'); } catch {}
  }
  return gained;
})()`;

/** Tries the script from another port, from another name, and under a name that is resolved to this computer. */
export async function pageAttacks(server: OwnServer, note: (line: string) => void): Promise<PageReport> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    note('– web pages: needs Chromium');
    return { tried: 0, gained: [] };
  }
  const evil = createServer((_, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><body>evil</body>');
  }).listen(0, '127.0.0.1');
  await once(evil, 'listening');
  const { port } = evil.address() as AddressInfo;
  const browser = await chromium.launch({
    executablePath,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-dev-shm-usage',
      // DNS rebinding: the name of the attacker is resolved to this computer.
      '--host-resolver-rules=MAP rebound.example 127.0.0.1',
      '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
    ],
  });
  const gained: string[] = [];
  let tried = 0;
  try {
    for (const address of [
      `http://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `http://rebound.example:${port}/`,
    ]) {
      const page = await browser.newPage();
      await page.goto(address);
      const found = await page.evaluate<string[]>(script(server.port));
      tried++;
      note(`${found.length === 0 ? '✓' : '✗'} a page of ${address}`);
      for (const one of found) gained.push(`a page of ${address} ${one}`);
      await page.close();
    }
    // The page of the rebound name itself is the server's port: it must not be served.
    const page = await browser.newPage();
    const response = await page.goto(`http://rebound.example:${server.port}/`);
    tried++;
    const isServed = response?.status() === 200;
    note(`${isServed ? '✗' : '✓'} a page under a name that is resolved to this computer`);
    if (isServed) gained.push('the page is served under another name');
  } finally {
    await browser.close();
    evil.close();
  }
  return { tried, gained };
}
