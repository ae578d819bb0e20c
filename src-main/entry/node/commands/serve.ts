/** @file cambium serve: the interface on a loopback port, until Ctrl+C; what trains then stops and saves first. */
import { spawn } from 'node:child_process';
import { readWhole } from '../arguments.ts';
import type { AddCommand } from '../command.ts';
import { exits } from '../output.ts';
import { startServer } from '../server.ts';

export const serve: AddCommand = (program, run) => {
  program.command('serve').description('serve the interface on a loopback port and print its address')
    .option('--port <port>', 'the port; 0 takes a free one', '0')
    .option('--open', 'open it in a browser if there is one')
    .option('--json', 'print the address as a JSON object')
    .addHelpText('after', '\nThe server listens on 127.0.0.1 only. To use it from another computer: ssh -L 8321:127.0.0.1:8321 host, then cambium serve --port 8321 there.\nCtrl+C asks what trains to stop and save, then ends; a second one ends at once.\n\nExamples:\n  cambium serve\n  cambium serve --port 8321 --open')
    .action(run(async ({ api, out, options, signal, pages, browser }) => {
      const server = await startServer(api, pages, readWhole('--port', String(options['port'])));
      out.result({ address: server.address, port: server.port, token: server.token }, `Cambium is at ${server.address}\nThe address holds the key to this session: do not share it. Ctrl+C ends it.`);
      if (options['open'] === true) {
        if (browser === null) out.note('There is no browser here: open the address yourself');
        else spawn(browser, [server.address], { stdio: 'ignore', detached: true }).on('error', () => { out.note('The browser could not be started: open the address yourself'); }).unref();
      }
      if (!signal.aborted) await new Promise<void>((resolve) => { signal.addEventListener('abort', () => { resolve(); }, { once: true }); });
      out.note('Ending; what trains is asked to stop and save');
      await server.close();
      return exits.ok;
    }));
};
