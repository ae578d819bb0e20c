/** @file cambium plan: shows what a growth does to every weight, saves plans, and compares them. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { refuse } from '../../../base/errors.ts';
import type { Service } from '../../../contract/service.ts';
import { diffPlans, type SavedPlan } from '../../../service/catalog.ts';
import { getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { addGrowthFlags, describeMethods } from '../growth-flags.ts';
import { describeDifferences, describePlan } from '../growth-text.ts';
import { readPlanFile, readRequests } from '../recipe.ts';
import { findSource } from './grow.ts';

const examples = `
Examples:
  cambium plan ./model --method hypercloning --times hidden=2,ffn=2
  cambium plan ./model --method hypercloning --times hidden=2 --then identity layers=24 --save plan.json
  cambium plan ./model --plan plan.json
  cambium plan diff plan.json other.json`;

export const plan: AddCommand = (program, run) => {
  const command = program.command('plan').argument('[dir]', 'folder of the checkpoint or of the run to grow');
  addGrowthFlags(command)
    .description('show what a growth would do to every weight, without doing it')
    .option('--from-run <run>', 'plan for the newest saved step of this run')
    .option('--plan <file>', 'show a saved plan, after checking that it was made for this checkpoint')
    .option('--save <file>', 'save the plan as JSON, for `cambium grow --plan`; the file must not exist')
    .option(...jsonFlag)
    .addHelpText('after', () => describeMethods() + examples)
    .action(
      run(async ({ api, out, options }, dir) => {
        const saved = await readOrCreatePlan(api, findSource(dir, options), options);
        const file = getText(options['save']);
        if (file !== undefined) await savePlan(saved, file);
        const note = file === undefined ? '' : `\nSaved        ${file}`;
        out.result(saved, `${describePlan(saved)}${note}`);
        return undefined;
      }),
    );
  command
    .command('diff')
    .argument('<first>', 'a saved plan')
    .argument('<second>', 'another one')
    .description('compare the requests and the weights of two saved plans')
    .option(...jsonFlag)
    .action(
      run(async ({ out }, first, second) => {
        const differences = diffPlans(await readPlanFile(first!), await readPlanFile(second!));
        const text = describeDifferences(differences, first!, second!);
        out.result({ equal: differences.length === 0, differences }, text);
        return undefined;
      }),
    );
};

/** The plan of --plan, checked against the source, or a new one. */
async function readOrCreatePlan(api: Service, dir: string, options: Options): Promise<SavedPlan> {
  const file = getText(options['plan']);
  if (file === undefined)
    return api.planGrowth({ dir, request: [...(await readRequests(api, dir, options))] });
  const saved = await readPlanFile(file);
  await api.checkPlan({ dir, plan: saved });
  return saved;
}

const savePlan = (saved: SavedPlan, path: string): Promise<void> =>
  writeFile(resolve(path), `${JSON.stringify(saved, null, 1)}\n`, { flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) =>
      error.code === 'EEXIST'
        ? refuse('file/exists', { path })
        : refuse('file/unwritable', { path, why: error.message }),
  );
