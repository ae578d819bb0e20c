/** @file Tests of the access to the server: token, origin, host, paths, and the content security policy. */
import { once } from 'node:events';
import { get, request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { scenario } from './app.ts';
import { waitForHeading } from './pages/common.ts';
import { library } from './pages/library.ts';

scenario(
  'security',
  (app) => {
    const readToken = (): string => new URL(app.address).hash.slice('#token='.length);
    interface Response {
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string;
    }
    /** Sends a request without normalizing its path. */
    const send = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
      new Promise((resolve, reject) => {
        const sent = (method === 'GET' ? get : request)(
          { host: '127.0.0.1', port: app.port, path, headers, method },
          (response) => {
            let body = '';
            response
              .setEncoding('utf8')
              .on('data', (text: string) => {
                body += text;
              })
              .on('end', () => {
                resolve({ status: response.statusCode!, headers: response.headers, body });
              });
          },
        ).on('error', reject);
        if (method !== 'GET') sent.end();
      });
    /** Opens a WebSocket and returns `open`, or the status of the refusal. */
    async function connectSocket(
      protocols: readonly string[],
      headers: Record<string, string> = {},
      path = '/rpc',
    ): Promise<string> {
      const socket = new WebSocket(`ws://127.0.0.1:${app.port}${path}`, [...protocols], { headers });
      const refused = once(socket, 'unexpected-response').then(([, response]) =>
        String((response as { statusCode: number }).statusCode),
      );
      socket.on('error', () => undefined);
      const result = await Promise.race([once(socket, 'open').then(() => 'open'), refused]);
      socket.terminate();
      return result;
    }
    const validProtocols = (): string[] => ['cambium', `cambium.${readToken()}`];

    it('refuses a page without the token, and connects when the address is pasted', async () => {
      const { page } = app;
      const stranger = app.watchPage(await app.browser.newPage());
      app.allowComplaints(/HTTP Authentication failed|401/);
      await stranger.goto(`http://127.0.0.1:${app.port}/`);
      await waitForHeading(stranger, 'Open the address that Cambium printed');
      await stranger.getByLabel('Address or token').fill('0'.repeat(64));
      await stranger.getByRole('button', { name: 'Connect' }).click();
      await waitForHeading(stranger, 'Open the address that Cambium printed');
      await stranger.getByLabel('Address or token').fill(app.address);
      await stranger.getByRole('button', { name: 'Connect' }).click();
      await stranger.getByTestId('drop-zone').waitFor();
      await stranger.context().close();
      await library(page).zone.waitFor();
      expect(page.url()).not.toContain(readToken());
    });

    it('connects only with the token and from its own page', async () => {
      const port = app.port;
      expect(await connectSocket(validProtocols())).toBe('open');
      expect(await connectSocket(validProtocols(), { Origin: `http://127.0.0.1:${port}` })).toBe('open');
      for (const origin of [
        'http://evil.example',
        'http://127.0.0.1:1',
        'null',
        `https://127.0.0.1:${port}`,
        `http://127.0.0.1:${port}.evil.example`,
      ])
        expect(await connectSocket(validProtocols(), { Origin: origin }), origin).toBe('403');
      for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1'])
        expect(await connectSocket(validProtocols(), { Host: host }), host).toBe('403');
      for (const protocols of [
        [],
        ['cambium'],
        ['cambium', 'cambium.'],
        ['cambium', `cambium.${'0'.repeat(64)}`],
        ['cambium', `cambium.${readToken().slice(0, 63)}`],
        ['cambium', readToken()],
      ])
        expect(await connectSocket(protocols), protocols.join()).toBe('401');
      expect(await connectSocket(validProtocols(), {}, '/other')).toBe('404');
      expect(await connectSocket(['cambium'], {}, `/rpc?token=${readToken()}`)).toBe('401');
    });

    it('serves only the page, and only to loopback names', async () => {
      const { port } = app;
      expect((await send('/')).body).toContain('<div id="app">');
      expect((await send('/', { Host: `localhost:${port}` })).status).toBe(200);
      for (const host of ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`])
        expect((await send('/', { Host: host })).status, host).toBe(403);
      for (const path of [
        '/../package.json',
        '/../../package.json',
        '/%2e%2e/package.json',
        '/..%2f..%2fpackage.json',
        '/assets/../../main/cli.js',
        '/assets/..%5c..%5cmain%5ccli.js',
        '//etc/passwd',
        '/etc/passwd',
        '/%00',
        '/%',
        '/index.html%00.js',
        '/assets',
        '/assets/',
      ]) {
        const { status, body } = await send(path);
        expect(status, path).toBe(404);
        expect(body, path).toBe('Not found\n');
      }
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
        expect((await send('/', {}, method)).status, method).toBe(405);
    });

    it('sends security headers with every response', async () => {
      for (const path of ['/', '/nothing']) {
        const { headers } = await send(path);
        const policy = String(headers['content-security-policy']);
        for (const part of [
          "default-src 'none'",
          "script-src 'self'",
          "base-uri 'none'",
          "form-action 'none'",
          "frame-ancestors 'none'",
        ])
          expect(policy, path).toContain(part);
        expect(policy).not.toMatch(/unsafe-eval|script-src[^;]*unsafe-inline|https?:/);
        expect(headers).toMatchObject({
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'cache-control': 'no-store',
        });
        expect(headers['access-control-allow-origin']).toBeUndefined();
      }
    });

    it('blocks inline scripts and requests to other hosts', async () => {
      const { page } = app;
      app.allowComplaints(/content policy|Content Security Policy|violates|Refused|Failed to fetch/i);
      const found = await page.evaluate<{ inline: boolean; fetched: string; framed: boolean }>(`(async () => {
      const script = document.createElement('script');
      script.textContent = 'window.inline = true';
      document.head.append(script);
      const button = document.createElement('button');
      button.setAttribute('onclick', 'window.inline = true');
      document.body.append(button);
      button.click();
      button.remove();
      const fetched = await fetch('https://example.com/').then(() => 'sent', () => 'refused');
      return { inline: window.inline === true, fetched, framed: window.top !== window };
    })()`);
      expect(found).toEqual({ inline: false, fetched: 'refused', framed: false });
      for (const complaint of [
        /content policy: script-src-elem inline/,
        /content policy: script-src-attr inline/,
        /content policy: connect-src https:\/\/example\.com/,
      ])
        await expect.poll(() => app.hasComplaint(complaint)).toBe(true);
    });

    it('listens on loopback only', async () => {
      const otherAddresses = Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter((one) => !one.internal && one.family === 'IPv4')
        .map((one) => one.address);
      for (const host of otherAddresses) {
        const socket = connect({ host, port: app.port });
        const result = await Promise.race([
          once(socket, 'connect').then(() => 'connected'),
          once(socket, 'error').then(
            () => 'refused',
            () => 'refused',
          ),
        ]).catch(() => 'refused');
        socket.destroy();
        expect(result, host).toBe('refused');
      }
    });
  },
  { notInDesktop: 'the desktop app has no server' },
);
