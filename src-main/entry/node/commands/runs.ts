/** @file cambium runs, resume, decay, stop: the training runs of this computer. */
import { resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { showCount } from '../../../base/units.ts';
import { readSettings, readWhole, trainingFlags } from '../arguments.ts';
import { text, type AddCommand, type Context } from '../command.ts';
import { liveStates } from '../../../contract/activity.ts';
import type { ResumeRequest, RunCard } from '../../../contract/schema.ts';
import { describeRun, followRun } from '../following.ts';
import { exits, table } from '../output.ts';

/** A run given by its folder (from here) or by its name. */
export const runGiven = (text: string): string => (existsSync(resolve(text)) ? resolve(text) : text);

/** Settings that spare memory, and what each says to a run that goes on. */
const sparing: Readonly<Record<keyof NonNullable<ResumeRequest['spare']>, string>> = {
  batch: 'sequences computed at once from here on; times --accumulate it must stay what it was',
  accumulate: 'batches per update from here on',
  sequence: 'tokens per sequence; only before the first save',
  recompute: 'what is computed twice to save memory, from here on',
  precision: 'what products compute in, from here on',
};

function spareIn(options: Readonly<Record<string, unknown>>): Pick<ResumeRequest, 'spare'> {
  const spare = readSettings(options, Object.keys(sparing));
  return Object.keys(spare).length > 0 ? { spare } : {};
}

/** Follows a run that goes on, unless it is left to itself. */
async function watched(
  { api, out, options, signal }: Pick<Context, 'api' | 'out' | 'options' | 'signal'>,
  card: RunCard,
  since: string,
): Promise<number> {
  if (options['detach'] === true) {
    out.result(card, describeRun(card));
    return exits.ok;
  }
  const end = await followRun(api, card, since, out, signal);
  out.result(end.card, describeRun(end.card));
  return end.code;
}

export const runs: AddCommand = (program, run) => {
  program
    .command('runs')
    .argument('[run]', 'one run: its folder or name')
    .description('list the training runs of this computer, or show one')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium runs\n  cambium runs ./run --json')
    .action(
      run(async ({ api, out }, one) => {
        if (one !== undefined) {
          const card = await api.run({ id: runGiven(one) });
          out.result(card, describeRun(card));
          return undefined;
        }
        const cards = await api.runs({});
        const rows = cards.map((c) => [
          c.name,
          c.state,
          `${c.step}/${c.steps}`,
          showCount(c.tokens),
          c.loss?.toFixed(4) ?? '-',
          c.heldOutLoss?.toFixed(4) ?? '-',
          c.dir,
        ]);
        out.result(
          { runs: cards },
          rows.length
            ? table([['run', 'state', 'step', 'tokens', 'loss', 'held out', 'folder'], ...rows])
            : 'There are no runs yet; cambium train starts one.',
        );
        return undefined;
      }),
    );

  const resume = program
    .command('resume')
    .argument('<run>', "the run's folder or name")
    .description('go on with a run from its newest checkpoint, or train further than was planned')
    .option('--tokens <tokens>', 'tokens of the whole run, more than it has done; a finished run goes on too')
    .option(
      '--rewarm <steps>',
      'with --tokens: steps over which the learning rate rises to its peak again (for a finished run its own setting, else 0)',
    );
  for (const { id, flags } of trainingFlags)
    if (id in sparing) resume.option(flags, sparing[id as keyof typeof sparing]);
  resume
    .option('--json', 'one JSON object as the last line of standard output')
    .option('--detach', 'leave it training in the background')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium resume ./run\n  cambium resume ./run --batch 2 --accumulate 4 --recompute full\n  cambium resume ./run --tokens 20M --rewarm 100',
    )
    .action(
      run(async ({ api, out, options, signal }, id) => {
        const since = new Date().toISOString();
        const tokens = text(options['tokens']);
        const rewarm = text(options['rewarm']);
        const card = await api.resumeRun({
          id: runGiven(id!),
          ...(tokens === undefined ? {} : { tokens: readWhole('--tokens', tokens, 1) }),
          ...(rewarm === undefined ? {} : { rewarm: readWhole('--rewarm', rewarm) }),
          ...spareIn(options),
        });
        return watched({ api, out, options, signal }, card, since);
      }),
    );

  program
    .command('decay')
    .argument('<run>', "the run's folder or name")
    .description(
      "let a run's learning rate fall from here to its floor, and end there; a run that is paused goes on with it",
    )
    .option('--steps <steps>', "over so many steps; by default the cool-down's share of the steps planned")
    .option('--json', 'one JSON object as the last line of standard output')
    .option('--detach', 'where it goes on: leave it training in the background')
    .addHelpText('after', '\nExamples:\n  cambium decay ./run\n  cambium decay ./run --steps 500')
    .action(
      run(async ({ api, out, options, signal }, id) => {
        const since = new Date().toISOString();
        const asked = text(options['steps']);
        const over = asked === undefined ? {} : { steps: readWhole('--steps', asked, 1) };
        const before = await api.run({ id: runGiven(id!) });
        const card = await api.decayRun({ id: before.dir, ...over });
        if (!liveStates.includes(before.state)) return watched({ api, out, options, signal }, card, since);
        out.result(card, `${card.name} decays from its next step on`);
        return exits.ok;
      }),
    );

  program
    .command('stop')
    .argument('<run>', "the run's folder or name")
    .description('ask a run to stop after its current step and save; waits until it has')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText('after', '\nExamples:\n  cambium stop ./run')
    .action(
      run(async ({ api, out }, id) => {
        const card = await api.stopRun({ id: runGiven(id!) });
        out.result(card, describeRun(card));
        return undefined;
      }),
    );
};
