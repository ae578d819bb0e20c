/** @file cambium tune: searches hyperparameters on a small model, and shows that they hold for the grown one. */
import { resolve } from 'node:path';
import {
  formatCount,
  formatDuration,
  formatMoney,
  formatRange,
  formatRoughDuration,
} from '../../../base/format.ts';
import type { StoredTuning, TuneEvent, TuneRequest, TuningEstimate } from '../../../contract/tune.ts';
import type { JobSummary } from '../../../contract/schema.ts';
import {
  bestTrial,
  describeBest,
  describeCoordinates,
  describeEnd,
  describeMultipliers,
  describeShift,
  formatValue,
  isFlat,
  nameOfValue,
  trainingDefaults,
  widthLabels,
  type Tuning,
} from '../../../service/catalog.ts';
import { readData, readWhole, refuseUsage } from '../arguments.ts';
import {
  collect,
  getText,
  getTexts,
  jsonFlag,
  type AddCommand,
  type Context,
  type Options,
} from '../command.ts';
import { describePosition, followJob } from '../follow.ts';
import { addGrowthFlags } from '../growth-flags.ts';
import { exits, table, type Output } from '../output.ts';
import { readRequests } from '../recipe.ts';
import { queueFlag, readQueue } from '../waiting.ts';
import { addSettingFlags, readSettings, settingIds } from '../setting-flags.ts';

/** Settings that a trial has no use for: it saves nothing, and its optimizer is AdamW. */
const unused = [
  'optimizer',
  'momentum',
  'perTensorLr',
  'trainable',
  'unfreezeAt',
  'rewarmSteps',
  'saveEvery',
  'keepEvery',
  'keepBest',
  'evaluateEvery',
  'earlyStoppingPatience',
  'earlyStoppingThreshold',
  'sampleEvery',
  'prompt',
  'averageCheckpoints',
  'emaDecay',
  'distillWeight',
  'distillTemperature',
  'budgetCost',
  'budgetHours',
  'budgetTokens',
  'warmupSteps',
];
const tuneSettings = settingIds.filter((id) => !unused.includes(id));
/** Tokens of a trial by default. */
const defaultTokens = 200_000;

const help = `
The learning rate is searched first, from --lr on, then weight decay, warmup, and for shrink-perturb λ and σ, with short
trials at the width of the source. With a growth (--method, --recipe), trials at the grown width follow: under µP the
best rate stays. --coordinate-check trains random models of several widths for a few updates, and compares the scale of
their activations. Ctrl+C pauses; --resume continues with the same trials.

Exit codes: 0 done; 3 done, but activations grow over the width in spite of µP; 1 failed; 130 paused.

Examples:
  cambium tune ./model --data corpus.txt
  cambium tune ./model --data corpus.txt --trials 24 --tokens 1M --method hypercloning --times hidden=2,ffn=2
  cambium tune ./model --data corpus.txt --coordinate-check
  cambium tune ./model --data corpus.txt --plan
  cambium tune --resume ./tuning
  cambium train ./grown --data corpus.txt --tokens 1B --tuned ./tuning`;

export const tune: AddCommand = (program, run) => {
  const command = program
    .command('tune')
    .argument('[dir]', 'folder of the checkpoint')
    .description(
      'find hyperparameters with short trials on a small model, and transfer them by µP to a grown one',
    )
    .option(
      '--data <path>',
      'a text, .jsonl or .parquet file, a pattern, or a folder; may be repeated; PATH=WEIGHT samples it more often',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option(
      '--trials <n>',
      'most trials at the width of the source (default: 16; with --coordinate-check: 0)',
    )
    .option('--transfer-trials <n>', 'most trials at the grown width', '5')
    .option('--coordinate-check', 'measure whether activations stay flat over the width')
    .option('--out <dir>', 'folder of the tuning (default: a folder in the home of Cambium)')
    .option('--name <name>', 'name of the tuning')
    .option('--resume <tuning>', 'continue a tuning that was paused or interrupted')
    .option('--plan', 'print the estimate, and start nothing')
    .option(...queueFlag)
    .option(...jsonFlag);
  addGrowthFlags(command, { hasSeed: false });
  addSettingFlags(command, tuneSettings, {
    tokens: `Training tokens of one trial. (default: ${defaultTokens})`,
    lr: `The learning rate that the search begins at. (default: ${trainingDefaults.lr})`,
  })
    .addHelpText('after', help)
    .action(
      run(async (context, dir) => {
        const { api, out, options, signal } = context;
        const resumed = getText(options['resume']);
        if ((dir === undefined) === (resumed === undefined))
          refuseUsage('give either the folder of a checkpoint, or a tuning with --resume');
        const request = resumed === undefined ? await readRequest(context, resolve(dir!)) : undefined;
        if (request && options['plan'] === true) {
          const estimate = await api.estimateTuning(request);
          out.result(estimate, describeEstimate(estimate));
          return exits.ok;
        }
        // A tuning without an estimate is better than none.
        const estimate = request && (await api.estimateTuning(request).catch(() => undefined));
        if (estimate) out.note(describeEstimate(estimate));
        const job = await (request
          ? api.startTuning(request)
          : api.resumeTuning({ dir: resolve(resumed!), ...readQueue(options) }));
        const done = await follow(context, job, signal);
        out.result(done, describeTuning(done));
        const { coordinateCheck } = done.tuning;
        return coordinateCheck && !isFlat(coordinateCheck) ? exits.notProven : exits.ok;
      }),
    );
};

async function readRequest({ api, options }: Context, checkpoint: string): Promise<TuneRequest> {
  const field = String(options['field']);
  const target = getText(options['out']);
  const name = getText(options['name']);
  const data = getTexts(options['data']);
  if (data.length === 0) refuseUsage('give the text with --data');
  const coordinateCheck = options['coordinateCheck'] === true;
  const grows = hasGrowth(options);
  return {
    checkpoint,
    ...readData(data),
    ...(field === 'text' ? {} : { field }),
    ...(target === undefined ? {} : { out: resolve(target) }),
    ...(name === undefined ? {} : { name }),
    ...readQueue(options),
    ...(grows ? { grow: [...(await readRequests(api, checkpoint, options))] } : {}),
    settings: { ...trainingDefaults, tokens: defaultTokens, ...readSettings(options, tuneSettings) },
    trials: readWhole('--trials', getText(options['trials']) ?? (coordinateCheck ? '0' : '16')),
    transferTrials: readWhole('--transfer-trials', String(options['transferTrials'])),
    coordinateCheck,
  };
}

const hasGrowth = (options: Options): boolean =>
  ['method', 'recipe'].some((name) => options[name] !== undefined);

const follow = ({ api, out }: Context, job: JobSummary, signal: AbortSignal): Promise<StoredTuning> =>
  followJob(api, job, api.followTuning({ id: job.id }), signal, (event) => {
    showProgress(event, out);
    return event.type === 'done' ? { dir: event.dir, tuning: event.tuning } : undefined;
  });

/** What all trials will take, in lines. */
function describeEstimate({ trials, tokens, seconds, cost }: TuningEstimate): string {
  return [
    `Trials       at most ${trials}`,
    `Tokens       ${formatRange(tokens, formatCount)}, over all trials`,
    `Time         ${seconds ? formatRange(seconds, formatRoughDuration) : 'unknown'}`,
    `Cost         ${cost ? formatRange(cost, formatMoney) : 'unknown'}`,
  ].join('\n');
}

function showProgress(event: TuneEvent, out: Output): void {
  if (event.type === 'waiting') out.note(`${describePosition(event)}; Ctrl+C takes it out of the queue`);
  if (event.type === 'preparing') out.progress(event.what, event.done, event.of);
  if (event.type !== 'step') return;
  const { trial, left, width, tests, values, step, of, loss } = event;
  const what = `${tests} ${formatValue(tests, values[tests]!)}`;
  const label = `Trial ${trial} of at most ${trial + left - 1} (${widthLabels[width].toLowerCase()})`;
  out.progress(label, step, of, `${what}, loss ${loss.toFixed(3)}`);
}

function describeTuning({ dir, tuning }: StoredTuning): string {
  const { coordinateCheck, trials } = tuning;
  const shift = describeShift(tuning);
  return [
    ...(trials.length > 0 ? [listTrials(tuning), '', describeBest(tuning)] : []),
    ...(shift === undefined ? [] : [shift]),
    ...(coordinateCheck ? [describeCoordinates(coordinateCheck)] : []),
    ...(tuning.target ? describeMultipliers(tuning) : []),
    `Tuning: ${dir} (tune.json, report.html)`,
  ].join('\n');
}

function listTrials(tuning: Tuning): string {
  const best = [bestTrial(tuning, 'source'), bestTrial(tuning, 'target')];
  const ids = Object.keys(tuning.trials[0]!.values);
  const heads = ['Trial', 'Model', ...ids.map((id) => nameOfValue(tuning, id)), 'Held-out loss', 'Time'];
  const rows = tuning.trials.map((trial, i) => [
    `${i + 1}${best.includes(trial) ? ' *' : ''}`,
    widthLabels[trial.width],
    ...ids.map((id) => formatValue(id, trial.values[id]!)),
    describeEnd(trial),
    formatDuration(trial.seconds),
  ]);
  return table([heads, ...rows]);
}
