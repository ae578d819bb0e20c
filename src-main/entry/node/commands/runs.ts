/** @file cambium runs, resume, stop: the training runs of this computer. */
import { resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { showCount } from '../../../base/units.ts';
import type { AddCommand } from '../command.ts';
import { describeRun, followRun } from '../following.ts';
import { exits, table } from '../output.ts';

/** A run given by its folder (from here) or by its name. */
export const runGiven = (text: string): string => (existsSync(resolve(text)) ? resolve(text) : text);

export const runs: AddCommand = (program, run) => {
  program.command('runs').argument('[run]', 'one run: its folder or name')
    .description('list the training runs of this computer, or show one')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium runs\n  cambium runs ./run --json')
    .action(run(async ({ api, out }, one) => {
      if (one !== undefined) {
        const card = await api.run({ id: runGiven(one) });
        out.result(card, describeRun(card));
        return undefined;
      }
      const cards = await api.runs({});
      const rows = cards.map((c) => [c.name, c.state, `${c.step}/${c.steps}`, showCount(c.tokens), c.loss?.toFixed(4) ?? '-', c.heldOutLoss?.toFixed(4) ?? '-', c.dir]);
      out.result({ runs: cards }, rows.length ? table([['run', 'state', 'step', 'tokens', 'loss', 'held out', 'folder'], ...rows]) : 'There are no runs yet; cambium train starts one.');
      return undefined;
    }));

  program.command('resume').argument('<run>', 'the run\'s folder or name')
    .description('go on with a run from its newest checkpoint')
    .option('--json', 'one JSON object as the last line of standard output')
    .option('--detach', 'leave it training in the background')
    .addHelpText('after', '\nExamples:\n  cambium resume ./run')
    .action(run(async ({ api, out, options, signal }, id) => {
      const since = new Date().toISOString();
      const card = await api.resumeRun({ id: runGiven(id!) });
      if (options['detach'] === true) { out.result(card, describeRun(card)); return exits.ok; }
      const end = await followRun(api, card, since, out, signal);
      out.result(end.card, describeRun(end.card));
      return end.code;
    }));

  program.command('stop').argument('<run>', 'the run\'s folder or name')
    .description('ask a run to stop after its current step and save; waits until it has')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium stop ./run')
    .action(run(async ({ api, out }, id) => {
      const card = await api.stopRun({ id: runGiven(id!) });
      out.result(card, describeRun(card));
      return undefined;
    }));
};
