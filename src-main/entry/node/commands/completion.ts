/** @file cambium completion: prints a script that completes commands, flags and values in a shell. */
import { deviceChoices } from '../../../base/device.ts';
import { queuePlaces } from '../../../contract/queue.ts';
import { methods } from '../../../service/catalog.ts';
import { readChoice } from '../arguments.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { listCompletions } from '../completion.ts';
import { shells, writeCompletion } from '../completion-scripts.ts';
import { outputDTypes } from '../growth-flags.ts';

const examples = `
Examples:
  cambium completion bash > ~/.local/share/bash-completion/completions/cambium
  cambium completion zsh > ~/.zfunc/_cambium
  cambium completion fish > ~/.config/fish/completions/cambium.fish
  cambium completion powershell | Out-String | Invoke-Expression`;

export const completion: AddCommand = (program, run) => {
  program
    .command('completion')
    .argument('<shell>', shells.join(', '))
    .description('print a script that completes commands and flags in a shell')
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(
        ({ out }, shell) => {
          const values = {
            '--method': [...methods.keys()],
            '--device': deviceChoices,
            '--dtype': outputDTypes,
            '--queue': queuePlaces,
          };
          const script = writeCompletion(
            readChoice('shell', String(shell), shells),
            listCompletions(program, values),
          );
          out.result({ script }, script);
          return Promise.resolve(undefined);
        },
        () => 'completion is for the shell of this computer',
      ),
    );
};
