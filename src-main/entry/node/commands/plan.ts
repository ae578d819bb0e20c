/** @file cambium plan: what a growth would do to every weight. */
import { resolve } from 'node:path';
import type { AddCommand } from '../command.ts';
import { describePlan, growthFlags, methodHelp, readGrowth } from '../growing.ts';

export const plan: AddCommand = (program, run) => {
  growthFlags(program.command('plan').argument('<dir>', 'folder of the checkpoint to grow'))
    .description('show what a growth would do to every weight, without doing it')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', () => `${methodHelp()}\nExamples:\n  cambium plan ./model --method hypercloning --times hidden=2,ffn=2\n  cambium plan ./model --method identity --to layers=24`)
    .action(run(async ({ api, out, options }, dir) => {
      const made = await api.planGrowth({ dir: resolve(dir!), request: await readGrowth(api, dir!, options) });
      out.result(made, describePlan(made));
      return undefined;
    }));
};
