/** @file cambium host: the remote hosts on which --host runs commands. */
import { openRemoteChannel } from '../../../contract/remote-channel.ts';
import { connectRemote } from '../../../contract/remote-service.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';

const examples = `
Examples:
  cambium host add gpu me@10.0.0.7
  cambium host add gpu me@10.0.0.7 --command "node cambium/bin/cambium.mjs"
  cambium --host gpu runs`;

export const host: AddCommand = (program, run) => {
  const command = program.command('host').description('manage remote hosts, which are reached through ssh');
  command
    .command('add')
    .description('add a remote host')
    .argument('<name>', 'a name for the host')
    .argument('<target>', 'host, user@host, or a name of ~/.ssh/config')
    .option('--command <command>', 'the command that starts Cambium on the host', 'cambium')
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(async ({ api, out, options }, name, target) => {
        const request = { name: name!, target: target!, command: String(options['command']) };
        const hosts = await api.addRemoteHost(request);
        out.result({ hosts }, `Added ${name!} (${target!}). Try it: cambium host check ${name!}`);
        return undefined;
      }),
    );
  command
    .command('list')
    .description('list the remote hosts')
    .option(...jsonFlag)
    .action(
      run(async ({ api, out }) => {
        const hosts = await api.remoteHosts({});
        const rows = hosts.map(({ name, target, command: start }) => [name, target, start]);
        out.result(
          { hosts },
          hosts.length > 0
            ? table([['name', 'target', 'command'], ...rows])
            : 'There are no remote hosts yet; add one with cambium host add NAME user@host.',
        );
        return undefined;
      }),
    );
  command
    .command('check')
    .description('connect to a remote host and list its devices')
    .argument('<name>', 'the name of the host')
    .option(...jsonFlag)
    .action(
      run(async ({ api, out, signal }, name) => {
        const channel = await openRemoteChannel(api, name!, signal);
        try {
          const remote = connectRemote(channel, name!);
          const [about, devices] = await Promise.all([remote.about({}), remote.devices({})]);
          const available = devices.filter((device) => device.available).map((device) => device.name);
          const version = `Cambium ${about.version} on ${about.platform}`;
          out.result({ about, devices }, `Connected to ${name!}: ${version}, with ${available.join(', ')}`);
        } finally {
          channel.close();
        }
        return undefined;
      }),
    );
  command
    .command('remove')
    .description('remove a remote host from the list; nothing on it changes')
    .argument('<name>', 'the name of the host')
    .option(...jsonFlag)
    .action(
      run(async ({ api, out }, name) => {
        const hosts = await api.removeRemoteHost({ name: name! });
        out.result({ hosts }, `Removed ${name!} from the list.`);
        return undefined;
      }),
    );
};
