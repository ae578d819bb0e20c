/** @file cambium place: GPU boxes by their ssh target; `--place NAME` before any command runs it there. */
import { connect } from '../../../contract/connect.ts';
import { placeChannel } from '../../../contract/remote-channel.ts';
import { service as contract } from '../../../contract/service.ts';
import type { AddCommand } from '../command.ts';
import { table } from '../output.ts';

export const place: AddCommand = (program, run) => {
  const places = program.command('place').description('use a GPU box through ssh as if it were here');
  places
    .command('add')
    .description('name a box')
    .argument('<name>')
    .argument('<target>', 'host, user@host, or a name of ~/.ssh/config')
    .option('--command <command>', 'how the box starts Cambium', 'cambium')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium place add box me@10.0.0.7\n  cambium place add box me@10.0.0.7 --command "node cambium/bin/cambium.mjs"\n  cambium --place box runs',
    )
    .action(
      run(async ({ api, out, options }, name, target) => {
        const all = await api.addPlace({ name: name!, target: target!, command: String(options['command']) });
        out.result({ places: all }, `${name!} is ${target!}. Try it: cambium place check ${name!}`);
        return undefined;
      }),
    );
  places
    .command('list')
    .description('list the boxes')
    .option('--json', 'one JSON object as the last line of standard output')
    .action(
      run(async ({ api, out }) => {
        const all = await api.places({});
        out.result(
          { places: all },
          all.length > 0
            ? table([['name', 'target', 'command'], ...all.map((p) => [p.name, p.target, p.command])])
            : 'No boxes are named yet: cambium place add NAME user@host',
        );
        return undefined;
      }),
    );
  places
    .command('check')
    .description('connect to a box and say what it can run on')
    .argument('<name>')
    .option('--json', 'one JSON object as the last line of standard output')
    .action(
      run(async ({ api, out, signal }, name) => {
        const channel = await placeChannel(api, name!, signal);
        const there = connect(contract, channel);
        try {
          const [about, devices] = await Promise.all([there.about({}), there.devices({})]);
          const usable = devices.filter((d) => d.available);
          out.result(
            { about, devices },
            `${name!} answers: Cambium ${about.version} on ${about.platform}, with ${usable.map((d) => d.name).join(', ')}`,
          );
        } finally {
          channel.close();
        }
        return undefined;
      }),
    );
  places
    .command('remove')
    .description('forget a box; nothing on it changes')
    .argument('<name>')
    .option('--json', 'one JSON object as the last line of standard output')
    .action(
      run(async ({ api, out }, name) => {
        out.result({ places: await api.removePlace({ name: name! }) }, `${name!} is forgotten.`);
        return undefined;
      }),
    );
};
