/** @file cambium runs, resume, decay, next-stage, stop: the training runs of this computer. */
import { resolve } from 'node:path';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { describeError } from '../../../base/errors.ts';
import { formatCount, formatMoney } from '../../../base/format.ts';
import { activeStates } from '../../../contract/activity.ts';
import { describeComparedSlopes } from '../../../contract/compared-slopes.ts';
import { memoryOverrides, type ResumeRequest, type RunSummary } from '../../../contract/schema.ts';
import { findFlag, readChoice, readWhole, refuseUsage } from '../arguments.ts';
import { getText, jsonFlag, type AddCommand, type Context, type Options } from '../command.ts';
import { settingTable } from '../../../service/catalog.ts';
import { describeRun, followRun } from '../follow.ts';
import { addEngineFlags, readLaunch } from '../engine-flags.ts';
import { exits, formatNotes, table } from '../output.ts';
import { followWaiting, queueFlag, readQueue } from '../waiting.ts';
import { addFormerFlag, addSettingFlags, readSettings } from '../setting-flags.ts';

type MemoryOverrides = NonNullable<ResumeRequest['memoryOverrides']>;

/** The id of a run for the service: the absolute path of a folder, or a name. */
export const toRunId = (text: string): string => (existsSync(resolve(text)) ? resolve(text) : text);

const runArgument = ['<run>', 'folder or name of the run'] as const;
const detachFlag = ['--detach', 'train in the background'] as const;

/** The settings that resume can change, with their help. */
const overrideHelp: Readonly<Record<keyof MemoryOverrides | 'earlyStoppingPatience', string>> = {
  microBatch: 'sequences per forward and backward pass from now on; times --grad-accum it must stay the same',
  gradAccum: 'micro-batches per update from now on',
  contextLength: 'tokens per sequence; only before the first save',
  activationCheckpointing: 'what the backward pass recomputes to save memory, from now on',
  precision: 'type of matrix products, from now on',
  earlyStoppingPatience:
    'evaluations in a row without a lower held-out loss that end the run, from now on; 0: never',
};
const scheduleNames = Object.keys(
  settingTable.schedule.labels,
) as (keyof typeof settingTable.schedule.labels)[];
const overrideIds = Object.keys(memoryOverrides.shape) as readonly (keyof MemoryOverrides)[];

export const runs: AddCommand = (program, run) => {
  addRuns(program, run);
  addResume(program, run);
  addDecay(program, run);
  addGrowNow(program, run);
  addStop(program, run);
};

const addRuns: AddCommand = (program, run) => {
  program
    .command('runs')
    .argument('[run]', 'folder or name of one run')
    .description('list the training runs of this computer, or show one')
    .option(
      '--beside <run>',
      'compare how the loss falls after the run has grown with this run, a model of that size trained from the start',
    )
    .option(...jsonFlag)
    .addHelpText(
      'after',
      '\nExamples:\n  cambium runs\n  cambium runs ./run --json\n  cambium runs ./grown --beside ./random',
    )
    .action(
      run(async ({ api, out, options }, id) => {
        const other = getText(options['beside']);
        if (other !== undefined) {
          if (id === undefined)
            return refuseUsage('--beside needs the run that has grown: cambium runs RUN --beside OTHER');
          const compared = await api.compareSlopes({ id: toRunId(id), other: toRunId(other) });
          out.result(compared, describeComparedSlopes(compared));
          return undefined;
        }
        if (id !== undefined) {
          const summary = await api.run({ id: toRunId(id) });
          out.result(summary, describeRun(summary));
          return undefined;
        }
        const summaries = await api.runs({});
        out.result({ runs: summaries }, tabulateRuns(summaries));
        return undefined;
      }),
    );
};

function tabulateRuns(summaries: readonly RunSummary[]): string {
  if (summaries.length === 0) return 'There are no runs yet; start one with cambium train.';
  const rows = summaries.map((summary) => [
    summary.name,
    summary.state,
    `${summary.step}/${summary.steps}`,
    formatCount(summary.tokens),
    summary.loss?.toFixed(4) ?? '-',
    summary.heldOutLoss?.toFixed(4) ?? '-',
    summary.cost === null ? '-' : formatMoney(summary.cost),
    summary.dir,
  ]);
  const damages = summaries.flatMap(({ damage }) => (damage ? [describeError(damage)[0]] : []));
  return [
    table([['run', 'state', 'step', 'tokens', 'loss', 'held out', 'cost', 'folder'], ...rows]),
    ...formatNotes(damages),
  ].join('\n');
}

const addResume: AddCommand = (program, run) => {
  const command: Command = program
    .command('resume')
    .argument(...runArgument)
    .description('continue a run from its newest checkpoint or an earlier one, or train longer than planned')
    .option('--from <step>', 'go back to this saved step; later checkpoints and events are deleted')
    .option('--tokens <tokens>', 'new total of the run, more than it has done; also continues a finished run')
    .option(
      '--rewarm-steps <steps>',
      'with --tokens: steps over which the learning rate rises to its peak again ' +
        '(default: the setting of the run if it has finished, else 0)',
    )
    .option(...queueFlag)
    .option(...jsonFlag)
    .option(...detachFlag);
  command.option(
    '--schedule <schedule>',
    `with --tokens: the schedule of the added tokens: ${scheduleNames.join(', ')} (default: as before)`,
  );
  addFormerFlag(command, 'rewarm');
  addEngineFlags(command, 'as before');
  addSettingFlags(command, [...overrideIds, 'earlyStoppingPatience'], overrideHelp)
    .addHelpText(
      'after',
      '\nExamples:\n  cambium resume ./run\n' +
        '  cambium resume ./run --micro-batch 2 --grad-accum 4 --activation-checkpointing full\n' +
        '  cambium resume ./run --tokens 20M --rewarm-steps 100\n' +
        '  cambium resume ./bakeoff/runs/stack-lr0.001-seed0 --tokens 100M --schedule wsd\n' +
        '  cambium resume ./run --from 400\n' +
        '  cambium resume ./run --early-stopping-patience 0',
    )
    .action(
      run(async (context, id) => {
        const since = new Date().toISOString();
        const request = { id: toRunId(id!), ...readResume(context.options) };
        const summary = await context.api.resumeRun({ ...request, ...readQueue(context.options) });
        return summary.state === 'waiting'
          ? followWaiting(context, summary, since)
          : follow(context, summary, since);
      }),
    );
};

function readResume(options: Options): Omit<ResumeRequest, 'id'> {
  const tokens = getText(options['tokens']);
  const rewarm = findFlag(options, 'rewarmSteps', 'rewarm');
  const schedule = getText(options['schedule']);
  const overrides: MemoryOverrides = readSettings(options, overrideIds);
  const { earlyStoppingPatience } = readSettings(options, ['earlyStoppingPatience']);
  const launch = readLaunch(options);
  const step = getText(options['from']);
  return {
    ...(step === undefined ? {} : { step: readWhole('--from', step) }),
    ...(tokens === undefined ? {} : { tokens: readWhole('--tokens', tokens, 1) }),
    ...(rewarm === undefined ? {} : { rewarmSteps: readWhole(rewarm.flag, rewarm.text) }),
    ...(schedule === undefined ? {} : { schedule: readChoice('--schedule', schedule, scheduleNames) }),
    ...(Object.keys(overrides).length > 0 ? { memoryOverrides: overrides } : {}),
    ...(earlyStoppingPatience === undefined ? {} : { earlyStoppingPatience }),
    ...(launch === undefined ? {} : { launch }),
  };
}

const addDecay: AddCommand = (program, run) => {
  program
    .command('decay')
    .argument(...runArgument)
    .description(
      'decay the learning rate of a run to its minimum from now on, and end the run there; resumes a paused run',
    )
    .option('--steps <steps>', 'length of the decay (default: the decay fraction of the planned steps)')
    .option(...jsonFlag)
    .option(...detachFlag)
    .addHelpText('after', '\nExamples:\n  cambium decay ./run\n  cambium decay ./run --steps 500')
    .action(
      run(async (context, id) => {
        const { api, out, options } = context;
        const since = new Date().toISOString();
        const steps = getText(options['steps']);
        const length = steps === undefined ? {} : { steps: readWhole('--steps', steps, 1) };
        const before = await api.run({ id: toRunId(id!) });
        const summary = await api.decayRun({ id: before.dir, ...length });
        if (!activeStates.includes(before.state)) return follow(context, summary, since);
        out.result(summary, `${summary.name} decays from its next step on`);
        return exits.ok;
      }),
    );
};

const addGrowNow: AddCommand = (program, run) => {
  program
    .command('next-stage')
    .argument(...runArgument)
    .description(
      'end the current stage of a run with stages after its current step, and grow; resumes a paused run',
    )
    .option(...jsonFlag)
    .option(...detachFlag)
    .addHelpText('after', '\nExamples:\n  cambium next-stage ./run')
    .action(
      run(async (context, id) => {
        const { api, out } = context;
        const since = new Date().toISOString();
        const before = await api.run({ id: toRunId(id!) });
        const summary = await api.growRun({ id: before.dir });
        if (!activeStates.includes(before.state)) return follow(context, summary, since);
        out.result(summary, `${summary.name} grows after its current step`);
        return exits.ok;
      }),
    );
};

const addStop: AddCommand = (program, run) => {
  program
    .command('stop')
    .argument(...runArgument)
    .description('stop a run after its current step and save it; waits until it has stopped')
    .option(
      '--now',
      'end a run that does not answer, whichever program of this host trains it; ' +
        'the steps since its last save are lost',
    )
    .option(...jsonFlag)
    .addHelpText('after', '\nExamples:\n  cambium stop ./run\n  cambium --host gpu stop run --now')
    .action(
      run(async ({ api, out, options }, id) => {
        const summary = await api.stopRun({ id: toRunId(id!), now: options['now'] === true });
        out.result(summary, describeRun(summary));
        return undefined;
      }),
    );
};

/** Follows a run that was resumed, unless it trains in the background. */
async function follow(
  { api, out, options, signal }: Context,
  summary: RunSummary,
  since: string,
): Promise<number> {
  if (options['detach'] === true) {
    out.result(summary, describeRun(summary));
    return exits.ok;
  }
  const end = await followRun(api, summary, since, out, signal);
  out.result(end.run, describeRun(end.run));
  return end.code;
}
