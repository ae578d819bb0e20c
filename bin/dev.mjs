#!/usr/bin/env node
/**
 * @file npm run dev: the interface in a browser with hot reload. The server runs from the sources and restarts
 * when they change. `--desktop` opens the Electron window instead.
 */
import { spawn } from 'node:child_process';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandPath, ensureNode24, exitWith, root } from './toolchain.mjs';

await ensureNode24();
if (process.argv.includes('--desktop'))
  await exitWith(
    spawn(process.execPath, [commandPath('electron-vite'), 'dev'], { cwd: root, stdio: 'inherit' }),
  );

/** A port that nothing listens on. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createTcpServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const port = await freePort();
/** The token of the running server. A restarted server has another one; the proxy below always sends the newest. */
let token = '';
const command = join(root, 'src-main', 'entry', 'node', 'cli.ts');
const flags = ['--watch', '--watch-preserve-output', '--disable-warning=ExperimentalWarning'];
const server = spawn(process.execPath, [...flags, command, 'serve', '--json', '--port', String(port)], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
});
server.on('exit', (code) => process.exit(code ?? 1));
createInterface({ input: server.stdout }).on('line', (line) => {
  try {
    ({ token } = JSON.parse(line));
  } catch {
    console.log(line);
  }
});

const { createServer } = await import('vite');
const { svelte } = await import('@sveltejs/vite-plugin-svelte');
const vite = await createServer({
  configFile: false,
  root: join(root, 'src-renderer'),
  plugins: [svelte()],
  server: {
    host: '127.0.0.1',
    proxy: {
      '/rpc': {
        target: `http://127.0.0.1:${port}`,
        ws: true,
        changeOrigin: true,
        configure(proxy) {
          proxy.on('proxyReqWs', (request) => {
            request.setHeader('origin', `http://127.0.0.1:${port}`);
            request.setHeader('sec-websocket-protocol', `cambium, cambium.${token}`);
          });
        },
      },
    },
  },
});
await vite.listen();
console.log(`Cambium is at ${vite.resolvedUrls.local[0]}#token=dev`);
