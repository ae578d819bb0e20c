/** @file cambium bakeoff: finds the growth method and learning rate for a checkpoint with short probes. */
import { resolve } from 'node:path';
import { AppError } from '../../../base/errors.ts';
import { formatCount } from '../../../base/format.ts';
import type { BakeoffEvent, BakeoffRequest, BakeoffView, StartedBakeoff } from '../../../contract/bakeoff.ts';
import { comparedMethods, multiplySizes, trainingDefaults } from '../../../service/catalog.ts';
import { readData, readSizes, readWhole, refuseUsage } from '../arguments.ts';
import { describePlan, describeReport } from '../bakeoff-text.ts';
import { collect, getText, getTexts, jsonFlag, type AddCommand, type Context } from '../command.ts';
import { describePosition, followJob } from '../follow.ts';
import { exits } from '../output.ts';
import { readRequests } from '../recipe.ts';
import { queueFlag, readQueue } from '../waiting.ts';
import { addSettingFlags, readTraining, settingIds, type SettingId } from '../setting-flags.ts';

/** Settings that a bake-off decides itself. */
const decided: readonly SettingId[] = [
  'init',
  'schedule',
  'sampleEvery',
  'prompt',
  'distillWeight',
  'distillTemperature',
  'budgetCost',
  'budgetHours',
  'budgetTokens',
  'earlyStoppingPatience',
  'keepEvery',
  'keepBest',
];
const bakeoffSettings = settingIds.filter((id) => !decided.includes(id));
const defaultProbeTokens = '2M';
/** Learning rates by default, as multiples of --lr. */
const defaultMultiples = [1 / 3, 1, 3];

const help = `
Each candidate is a recipe that reaches the target, or has about its parameters; random weights of the target and the
source are always trained too. All read identical batches in identical order at a constant learning rate.
Learning rates and candidates are chosen by successive halving, and compared on the same held-out windows. The best
probe becomes the run: the printed command trains it on to --tokens, and computes nothing twice. Ctrl+C pauses;
--resume continues exactly there.

Exit codes: 0 finished, also if no candidate is the best beyond doubt; 1 failed; 130 paused.

Examples:
  cambium bakeoff ./model --times hidden=2,ffn=2 --data corpus.txt --tokens 100M
  cambium bakeoff ./model --to layers=24 --data corpus.txt --methods identity,stack --probe-tokens 500k --plan
  cambium bakeoff --resume ./bakeoff`;

export const bakeoff: AddCommand = (program, run) => {
  const command = program
    .command('bakeoff')
    .argument('[dir]', 'folder of the checkpoint to grow')
    .description('compare growth methods, each with its best learning rate, by short probes')
    .option('--times <sizes>', 'sizes of the target as multiples: hidden=2,ffn=2')
    .option('--to <sizes>', 'sizes of the target: hidden=1024,ffn=4096')
    .option(
      '--methods <ids>',
      `growth methods to compare, of ${comparedMethods.join(', ')} (default: all that apply)`,
    )
    .option('--recipe <file>', 'a recipe of your own as a candidate; may be repeated', collect)
    .option(
      '--data <path>',
      'a text, .jsonl or .parquet file, a pattern, or a folder; may be repeated; PATH=WEIGHT samples it more often',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option('--probe-tokens <n>', 'tokens of a probe', defaultProbeTokens)
    .option('--seeds <n>', 'seeds of the data order and of random weights: --seed and the next ones', '2')
    .option(
      '--learning-rates <list>',
      'learning rates to try: 3e-4,1e-3 (default: a third of --lr, --lr, three times --lr)',
    )
    .option('--growth-seed <n>', 'seed of noise and of new weights', '0')
    .option('--plan', 'print the candidates and the estimate, and start nothing')
    .option('--out <dir>', 'folder of the bake-off (default: a folder in the home of Cambium)')
    .option('--name <name>', 'name of the bake-off')
    .option('--resume <bakeoff>', 'continue a bake-off that was paused or interrupted')
    .option(...queueFlag)
    .option(...jsonFlag);
  addSettingFlags(command, bakeoffSettings, {
    tokens: `Length of the run that the best probe becomes. (default: ${trainingDefaults.tokens})`,
    lr: `The learning rate that --learning-rates are multiples of. (default: ${trainingDefaults.lr})`,
  })
    .addHelpText('after', help)
    .action(
      run(async (context, dir) => {
        const { api, out, options } = context;
        const resumed = getText(options['resume']);
        if ((dir === undefined) === (resumed === undefined))
          refuseUsage('give either the folder of a checkpoint, or a bake-off with --resume');
        if (resumed !== undefined) {
          const started = await api.resumeBakeoff({ dir: resolve(resumed), ...readQueue(options) });
          return finish(context, started);
        }
        const plan = await api.planBakeoff(await readRequest(context, resolve(dir!)));
        if (options['plan'] === true) {
          out.result(plan, describePlan(plan));
          return undefined;
        }
        out.note(describePlan(plan));
        const target = getText(options['out']);
        const started = await api.startBakeoff({
          plan,
          ...(target === undefined ? {} : { out: resolve(target) }),
          ...readQueue(options),
        });
        return finish(context, started);
      }),
    );
};

async function readRequest({ api, options }: Context, source: string): Promise<BakeoffRequest> {
  const field = String(options['field']);
  const name = getText(options['name']);
  const methods = getText(options['methods']);
  const data = getTexts(options['data']);
  if (data.length === 0) refuseUsage('give the text with --data');
  const growthSeed = readWhole('--growth-seed', String(options['growthSeed']));
  const recipes: BakeoffRequest['recipes'] = [];
  for (const recipe of getTexts(options['recipe']))
    recipes.push([...(await readRequests(api, source, { recipe, seed: String(growthSeed) }))]);
  const settings = readTraining(options, bakeoffSettings);
  return {
    source,
    ...readData(data),
    ...(field === 'text' ? {} : { field }),
    ...(name === undefined ? {} : { name }),
    to: await readTarget({ api, options }, source),
    ...(methods === undefined ? {} : { methods: methods.split(',').map((id) => id.trim()) }),
    ...(recipes.length > 0 ? { recipes } : {}),
    growthSeed,
    settings,
    probeTokens: readWhole('--probe-tokens', String(options['probeTokens']), 1),
    seeds: readWhole('--seeds', String(options['seeds']), 1),
    rates: readRates(getText(options['learningRates']), settings.lr),
  };
}

async function readTarget(
  { api, options }: Pick<Context, 'api' | 'options'>,
  dir: string,
): Promise<BakeoffRequest['to']> {
  const times = getText(options['times']);
  const to = getText(options['to']);
  if (times === undefined && to === undefined)
    return refuseUsage('give the sizes of the target with --times or --to');
  const { dims } = await api.openCheckpoint({ dir });
  return {
    ...(times === undefined ? {} : multiplySizes(readSizes('--times', times), dims)),
    ...(to === undefined ? {} : readSizes('--to', to, { whole: true })),
  };
}

function readRates(text: string | undefined, lr: number): number[] {
  if (text === undefined) return defaultMultiples.map((multiple) => Number((lr * multiple).toPrecision(3)));
  return text.split(',').map((word) => {
    const rate = Number(word);
    return rate > 0 ? rate : refuseUsage(`--learning-rates: "${word}" is not a learning rate`);
  });
}

/** Follows a bake-off to its end. Ctrl+C pauses it: what it has measured is saved. */
async function finish(
  { api, out, signal }: Context,
  { job, dir }: StartedBakeoff,
): Promise<number | undefined> {
  out.note(`Bake-off in ${dir}; Ctrl+C pauses it, cambium bakeoff --resume continues it`);
  const end = await followJob(api, { id: job }, api.followBakeoff({ id: job }), signal, (event) => {
    show(event, out);
    return event.type === 'done' ? event : undefined;
  }).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'cancelled') return undefined;
    throw error;
  });
  const view: BakeoffView = await api.bakeoff({ dir });
  if (end) out.result(view, describeReport(view.report, dir));
  else out.result(view, `Paused. Continue with: cambium bakeoff --resume ${dir}`);
  return end ? undefined : exits.cancelled;
}

function show(event: BakeoffEvent, out: Context['out']): void {
  switch (event.type) {
    case 'waiting':
      out.note(`${describePosition(event)}; Ctrl+C takes it out of the queue`);
      return;
    case 'growing':
      out.progress(`Growing ${event.candidate}`, event.done, event.of);
      return;
    case 'training': {
      const { candidate, lr, seed, loss, done, of } = event;
      const at = `${candidate}, learning rate ${lr}, seed ${seed}`;
      out.progress('Bake-off', done, of, `${at}${loss === null ? '' : `, loss ${loss.toFixed(4)}`}`);
      return;
    }
    case 'measured': {
      const { candidate, lr, seed, tokens, loss } = event;
      const result = loss === null ? 'diverged' : `held-out loss ${loss.toFixed(4)}`;
      const at = `learning rate ${lr}, seed ${seed}, ${formatCount(tokens)} tokens`;
      out.note(`${candidate}, ${at}: ${result}`);
      return;
    }
    case 'dropped':
      out.note(
        `${event.candidate} is not trained further: ${event.why} after ${formatCount(event.tokens)} tokens`,
      );
      return;
    case 'done':
  }
}
