/** @file cambium serve: serves the page on a loopback port, in the foreground or in the background. */
import { spawn } from 'node:child_process';
import { readWhole } from '../arguments.ts';
import { ensureServer, forgetServer, recordServer, stopServer } from '../background.ts';
import { jsonFlag, type AddCommand, type Context } from '../command.ts';
import { exits, type Output } from '../output.ts';
import { addressOf, startServer } from '../server.ts';

const help = `
The server listens on 127.0.0.1 only. To use a remote computer, add it with cambium host add NAME user@host.
Ctrl+C stops and saves the runs, then ends; a second Ctrl+C ends at once.

Examples:
  cambium serve
  cambium serve --port 8321 --open
  cambium serve --background`;

/** Milliseconds after which stopping is reported to take longer. */
const slowStop = 2000;

export const serve: AddCommand = (program, run) => {
  program
    .command('serve')
    .description('serve the page on a loopback port and print its address')
    .option('--port <port>', 'the port; 0 chooses a free one', '0')
    .option('--open', 'open the page in a browser')
    .option('--background', 'print the address of the background server; starts it if it is not running')
    .option('--stop', 'stop the background server')
    .option('--record', 'let --background find this server')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(
        (context) => {
          if (context.options['stop'] === true) return stopBackground(context);
          if (context.options['background'] === true) return startBackground(context);
          return serveUntilStopped(context);
        },
        () => 'the server runs on this computer',
      ),
    );
};

interface Address {
  readonly address: string;
  readonly port: number;
  readonly token: string;
}

function printAddress(out: Output, { address, port, token }: Address, version: string, how: string): void {
  const warning = 'The address contains the key to this session; do not share it.';
  out.result({ address, port, token, version }, `Cambium is at ${address}\n${warning} ${how}`);
}

async function stopBackground({ api, out, signal }: Context): Promise<number> {
  const { home } = await api.about({});
  const timer = setTimeout(() => {
    out.note('The server ends after its runs have been saved; Ctrl+C stops waiting');
  }, slowStop);
  const server = await stopServer(home, signal);
  clearTimeout(timer);
  if (!server) {
    out.result({ ended: false }, 'No server runs in the background.');
    return exits.ok;
  }
  if (server.ended) {
    out.result({ ended: true }, 'The server has ended.');
    return exits.ok;
  }
  const { pid } = server;
  out.result(
    { ended: false, saving: pid },
    `The server is still saving its runs; its process ${pid} ends after that.`,
  );
  return signal.aborted ? exits.cancelled : exits.failed;
}

async function startBackground({ api, out }: Context): Promise<number> {
  const { home } = await api.about({});
  const server = await ensureServer(home, [process.execPath, ...process.execArgv, process.argv[1]!]);
  const { port, token, version } = server;
  const address = addressOf(port, token);
  printAddress(out, { address, port, token }, version, 'cambium serve --stop ends the server.');
  return exits.ok;
}

async function serveUntilStopped(context: Context): Promise<number> {
  const { api, out, options, signal, pages } = context;
  const { home, version } = await api.about({});
  const server = await startServer(api, pages, readWhole('--port', String(options['port'])));
  const { port, token, address } = server;
  if (options['record'] === true) recordServer(home, { port, token, version, pid: process.pid });
  printAddress(out, server, version, 'Ctrl+C ends the server.');
  if (options['open'] === true) openBrowser(context, address);
  await waitForAbort(signal);
  out.note('Ending; runs are stopped and saved');
  forgetServer(home);
  await server.close();
  return exits.ok;
}

function openBrowser({ browser, out }: Context, address: string): void {
  if (browser === null) {
    out.note('No browser was found; open the address yourself');
    return;
  }
  spawn(browser, [address], { stdio: 'ignore', detached: true })
    .on('error', () => {
      out.note('The browser could not be started; open the address yourself');
    })
    .unref();
}

function waitForAbort(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
