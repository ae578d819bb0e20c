/** @file cambium plan: what a growth would do to every weight; kept as a file, compared with another. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import { diffPlans } from '../../../service/choices.ts';
import { text, type AddCommand } from '../command.ts';
import { describeDifferences, describePlan, growthFlags, methodHelp } from '../growing.ts';
import { readPlanFile, readStages } from '../stages.ts';
import { sourceOf } from './grow.ts';

const examples = `
Examples:
  cambium plan ./model --method hypercloning --times hidden=2,ffn=2
  cambium plan ./model --method hypercloning --times hidden=2 --then identity layers=24 --save plan.json
  cambium plan ./model --plan plan.json        is this plan for that model? then what it does
  cambium plan diff plan.json other.json`;

export const plan: AddCommand = (program, run) => {
  const command = growthFlags(
    program.command('plan').argument('[dir]', 'folder of the checkpoint to grow, or of a run'),
  )
    .description('show what a growth would do to every weight, without doing it')
    .option('--from-run <run>', 'plan for the newest saved step of this run')
    .option(
      '--plan <file>',
      'a plan that was saved: whether it was made for this checkpoint, and what it does',
    )
    .option('--save <file>', 'keep the plan as JSON, for `cambium grow --plan`; the file must not exist')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', () => methodHelp() + examples)
    .action(
      run(async ({ api, out, options }, dir) => {
        const source = sourceOf(dir, options);
        const file = text(options['plan']);
        const save = text(options['save']);
        const made =
          file === undefined
            ? await api.planGrowth({ dir: source, request: [...(await readStages(api, source, options))] })
            : await readPlanFile(file);
        if (file !== undefined) await api.checkPlan({ dir: source, plan: made });
        if (save !== undefined)
          await writeFile(resolve(save), `${JSON.stringify(made, null, 1)}\n`, { flag: 'wx' }).catch(
            (error: NodeJS.ErrnoException) =>
              error.code === 'EEXIST'
                ? refuse('file/exists', { path: save })
                : refuse('file/unwritable', { path: save, why: error.message }),
          );
        out.result(made, `${describePlan(made)}${save === undefined ? '' : `\nSaved        ${save}`}`);
        return undefined;
      }),
    );
  command
    .command('diff')
    .argument('<first>', 'a plan that was saved')
    .argument('<second>', 'another')
    .description('show in what two saved plans differ, from what was asked to what happens to each weight')
    .option('--json', 'one JSON object as the last line of standard output')
    .action(
      run(async ({ out }, first, second) => {
        const differences = diffPlans(await readPlanFile(first!), await readPlanFile(second!));
        out.result(
          { equal: differences.length === 0, differences },
          describeDifferences(differences, first!, second!),
        );
        return undefined;
      }),
    );
};
