/** @file cambium serve: serves the page on a loopback port, in the foreground or in the background. */
import { AppError } from '../../../base/errors.ts';
import { readWhole } from '../arguments.ts';
import {
  ensureServer,
  findServer,
  forgetServer,
  ownCommandLine,
  recordServer,
  revokeToken,
  stopServer,
} from '../background.ts';
import { openInBrowser } from '../browser.ts';
import { jsonFlag, type AddCommand, type Context } from '../command.ts';
import { exits, type Output } from '../output.ts';
import { addressOf, startServer, type Server } from '../server.ts';

const help = `
The server listens on 127.0.0.1 only. To use a remote computer, add it with cambium host add NAME user@host.
Ctrl+C stops and saves the runs, then ends; a second Ctrl+C ends at once.

Anyone who has the address can use the server as you. --revoke gives the background server a new address and
disconnects every page; runs continue.

Examples:
  cambium serve
  cambium serve --port 9000 --open
  cambium serve --background
  cambium serve --revoke`;

/** The same port at each start, so that open pages and what a browser keeps for this address stay valid. */
const defaultPort = 8321;
/** Milliseconds after which stopping is reported to take longer. */
const slowStop = 2000;

export const serve: AddCommand = (program, run) => {
  program
    .command('serve')
    .description('serve the page on a loopback port and print its address')
    .option('--port <port>', `the port; 0 chooses a free one (default: ${defaultPort}, or a free one)`)
    .option('--open', 'open the page in a browser')
    .option('--background', 'print the address of the background server; starts it if it is not running')
    .option('--revoke', 'give the background server a new address; the old one stops working')
    .option('--stop', 'stop the background server')
    .option('--record', 'let --background find this server')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(
        (context) => {
          if (context.options['stop'] === true) return stopBackground(context);
          if (context.options['revoke'] === true) return revoke(context);
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
  const server = await ensureServer(home, ownCommandLine());
  const { port, token, version } = server;
  const address = addressOf(port, token);
  printAddress(out, { address, port, token }, version, 'cambium serve --stop ends the server.');
  return exits.ok;
}

async function revoke({ api, out }: Context): Promise<number> {
  const { home } = await api.about({});
  const server = (await revokeToken(home)) ? await findServer(home) : undefined;
  if (!server) {
    out.result({ revoked: false }, 'No server runs in the background.');
    return exits.failed;
  }
  const { port, token, version } = server;
  printAddress(
    out,
    { address: addressOf(port, token), port, token },
    version,
    'The old address no longer works.',
  );
  return exits.ok;
}

async function serveUntilStopped(context: Context): Promise<number> {
  const { api, out, options, signal, pages } = context;
  const [{ home, version }, settings] = await Promise.all([api.about({}), api.appSettings({})]);
  const record = (token: string): Promise<void> =>
    recordServer(home, { port: server.port, token, version, pid: process.pid });
  const server = await startOnPort(options['port'], settings.port ?? defaultPort, out, (port) =>
    startServer(api, pages, {
      port,
      onRevoked(token) {
        if (options['record'] === true) void record(token);
      },
    }),
  );
  if (options['record'] === true) await record(server.token);
  context.startQueue();
  printAddress(out, server, version, 'Ctrl+C ends the server.');
  if (options['open'] === true) await openInBrowser(context, home, server.createOneTimeAddress());
  await waitForAbort(signal);
  out.note('Ending; runs are stopped and saved');
  forgetServer(home);
  await server.close();
  return exits.ok;
}

/** Starts a server on the given port; without one, on the preferred port or, if that is taken, on a free one. */
export async function startOnPort(
  given: unknown,
  preferred: number,
  out: Output,
  start: (port: number) => Promise<Server>,
): Promise<Server> {
  if (given !== undefined) return start(readWhole('--port', String(given)));
  try {
    return await start(preferred);
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'serve/port') throw thrown;
    out.note(`Another program uses port ${preferred}, so this server chooses another`);
    return start(0);
  }
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
