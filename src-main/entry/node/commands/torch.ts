/** @file cambium torch: status, installation and removal of PyTorch, which trains on several devices. */
import type { TorchStatus } from '../../../contract/torch.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { exits } from '../output.ts';

const installHelp = `
It creates a virtual environment in the folder of Cambium with your Python (3.11 or newer) and its pip, and installs
torch, transformers and what they need there: exact versions, whose files must have the known SHA-256. On Linux that
is about 3 GB with CUDA.

Examples:
  cambium torch install`;

export const torch: AddCommand = (program, run) => {
  const command = program
    .command('torch')
    .description('install, show or remove PyTorch, which trains on several devices');
  command
    .command('status', { isDefault: true })
    .description('show which Python trains, its packages and its GPUs')
    .option(...jsonFlag)
    .addHelpText(
      'after',
      '\nExit codes: 0 everything is there, 1 something is missing.\n\nExamples:\n  cambium torch status',
    )
    .action(
      run(async ({ api, out }) => {
        const status = await api.torchStatus({});
        out.result(status, describeStatus(status));
        return status.found?.missing.length === 0 ? exits.ok : exits.failed;
      }),
    );
  command
    .command('install')
    .description('install PyTorch and transformers into a virtual environment of Cambium')
    .option(...jsonFlag)
    .addHelpText('after', installHelp)
    .action(
      run(async ({ api, out, signal }) => {
        for await (const event of api.installTorch({}, signal))
          if (event.type === 'progress') out.note(event.what);
          else out.result(event.status, describeStatus(event.status));
        return exits.ok;
      }),
    );
  command
    .command('remove')
    .description('remove the virtual environment of Cambium')
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  cambium torch remove')
    .action(
      run(async ({ api, out }) => {
        const { removed } = await api.removeTorch({});
        out.result({ removed }, removed ? 'PyTorch is removed' : 'PyTorch was not installed by Cambium');
        return exits.ok;
      }),
    );
};

function describeStatus({ command, found }: TorchStatus): string {
  if (!found) return `PyTorch   not installed: ${command} cannot be run\n  → cambium torch install`;
  const versions = Object.entries(found.packages).map(([name, version]) => `${name} ${version}`);
  return [
    `Python    ${found.python} (${command})`,
    `Packages  ${versions.join(', ')}`,
    ...(found.missing.length > 0 ? [`Missing   ${found.missing.join(', ')}`] : []),
    `GPUs      ${found.gpus.length > 0 ? found.gpus.join(', ') : 'none that PyTorch can use; it trains on the CPU'}`,
  ].join('\n');
}
