/**
 * @file cambium serve: the interface on a loopback port, until Ctrl+C; what trains then stops and saves
 * first. Or in the background, where it outlives its terminal.
 */
import { spawn } from 'node:child_process';
import { readWhole } from '../arguments.ts';
import { forgetServer, recordServer, serverInBackground, stopServer } from '../background.ts';
import type { AddCommand } from '../command.ts';
import { exits } from '../output.ts';
import { startServer } from '../server.ts';

export const serve: AddCommand = (program, run) => {
  program
    .command('serve')
    .description('serve the interface on a loopback port and print its address')
    .option('--port <port>', 'the port; 0 takes a free one', '0')
    .option('--open', 'open it in a browser if there is one')
    .option(
      '--background',
      'print the address of the server that runs in the background, starting it if none does',
    )
    .option('--stop', 'end the server that runs in the background')
    .option('--record', 'let --background find this server')
    .option('--json', 'print the address as a JSON object')
    .addHelpText(
      'after',
      '\nThe server listens on 127.0.0.1 only. A GPU box is used from another computer as a place: cambium place add NAME user@host there.\nCtrl+C asks what trains to stop and save, then ends; a second one ends at once.\n\nExamples:\n  cambium serve\n  cambium serve --port 8321 --open\n  cambium serve --background',
    )
    .action(
      run(
        async ({ api, out, options, signal, pages, browser }) => {
          const { home, version } = await api.about({});
          const show = (server: { address: string; port: number; token: string }, more: string): void => {
            out.result(
              { address: server.address, port: server.port, token: server.token, version },
              `Cambium is at ${server.address}\nThe address holds the key to this session: do not share it. ${more}`,
            );
          };
          if (options['stop'] === true) {
            const slow = setTimeout(() => {
              out.note('The server ends when what trains has saved; Ctrl+C stops waiting for it');
            }, 2000);
            const stopped = await stopServer(home, signal);
            clearTimeout(slow);
            out.result(
              {
                ended: stopped?.ended ?? false,
                ...(stopped?.ended === false ? { saving: stopped.pid } : {}),
              },
              !stopped
                ? 'No server runs in the background.'
                : stopped.ended
                  ? 'The server has ended.'
                  : `The server was asked to end and is still saving what trains; its process ${stopped.pid} ends by itself when that is done.`,
            );
            return stopped?.ended !== false ? exits.ok : signal.aborted ? exits.cancelled : exits.failed;
          }
          if (options['background'] === true) {
            const server = await serverInBackground(home, [
              process.execPath,
              ...process.execArgv,
              process.argv[1]!,
            ]);
            show(
              { ...server, address: `http://127.0.0.1:${server.port}/#token=${server.token}` },
              'cambium serve --stop ends it.',
            );
            return exits.ok;
          }
          const server = await startServer(api, pages, readWhole('--port', String(options['port'])));
          if (options['record'] === true)
            recordServer(home, { port: server.port, token: server.token, version, pid: process.pid });
          show(server, 'Ctrl+C ends it.');
          if (options['open'] === true) {
            if (browser === null) out.note('There is no browser here: open the address yourself');
            else
              spawn(browser, [server.address], { stdio: 'ignore', detached: true })
                .on('error', () => {
                  out.note('The browser could not be started: open the address yourself');
                })
                .unref();
          }
          if (!signal.aborted)
            await new Promise<void>((resolve) => {
              signal.addEventListener(
                'abort',
                () => {
                  resolve();
                },
                { once: true },
              );
            });
          out.note('Ending; what trains is asked to stop and save');
          forgetServer(home);
          await server.close();
          return exits.ok;
        },
        () => 'the server runs on this computer',
      ),
    );
};
