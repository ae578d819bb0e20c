/** @file cambium train: starts a run and follows it. */
import { resolve } from 'node:path';
import type { RunSummary } from '../../../contract/schema.ts';
import { readData, resolveData } from '../arguments.ts';
import { collect, getText, getTexts, jsonFlag, type AddCommand, type Context } from '../command.ts';
import { describeRun, followRun } from '../follow.ts';
import { addEngineFlags, readLaunch } from '../engine-flags.ts';
import { exits } from '../output.ts';
import { followWaiting, queueFlag, readQueue } from '../waiting.ts';
import { addSettingFlags, readTraining } from '../setting-flags.ts';
import { readStages, stagesFlag } from '../stages.ts';
import { tunedFlag, withTuned } from '../tuned.ts';

const help = `
Exit codes: 0 finished (or stopped by \`cambium stop\`), 130 stopped by Ctrl+C and saved, 1 failed.

Examples:
  cambium train ./grown --data corpus.txt --tokens 10M --out ./run
  cambium train ./grown --data a.jsonl --data b.txt --tokens 1M --schedule wsd --lr 1e-3 --save-every 100
  cambium train ./grown --data corpus.txt --tokens 10M --queue --detach
  cambium train ./grown --data corpus.txt --tokens 1B --engine torch --gpus 8
  cambium train ./small --data corpus.txt --tokens 100M --stages stages.json
  cambium train ./grown --data corpus.txt --tokens 1B --engine torch --nodes 4 --gpus 8 --partition h100
  cambium train ./grown --data corpus.txt --tokens 1B --tuned ./tuning
  cambium train ./grown --data hf://datasets/HuggingFaceFW/fineweb-edu/sample-10BT --tokens 1B
  cambium train ./grown --data ./fineweb=3 --data "books/*.txt=1" --tokens 100M`;

export const train: AddCommand = (program, run) => {
  const command = program
    .command('train')
    .argument('<dir>', 'folder of the checkpoint to train')
    .description('train a checkpoint on text; Ctrl+C stops and saves, `cambium resume` continues')
    .requiredOption(
      '--data <path>',
      'a text, .jsonl or .parquet file, a pattern, a folder, or hf://datasets/OWNER/NAME; may be repeated; ' +
        'PATH=WEIGHT sets how often it is sampled relative to the others',
      collect,
    )
    .option(
      '--validation <path>',
      'a text to evaluate on, instead of the end of --data; may be repeated',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option(...stagesFlag)
    .option(...tunedFlag)
    .option('--out <run>', 'folder of the run (default: a folder in the home of Cambium)')
    .option('--name <name>', 'name of the run')
    .option('--detach', 'train in the background; `cambium runs` shows the run, `cambium stop` stops it')
    .option(...queueFlag)
    .option(...jsonFlag);
  addEngineFlags(command, 'cambium');
  addSettingFlags(command)
    .addHelpText('after', help)
    .action(
      run(async (context, path) => {
        const { api, out, options, signal } = context;
        const field = String(options['field']);
        const validation = getTexts(options['validation']).map(resolveData);
        const target = getText(options['out']);
        const name = getText(options['name']);
        const launch = readLaunch(options);
        const checkpoint = resolve(path!);
        const settings = await withTuned(api, readTraining(options), options);
        const stages = await readStages(api, checkpoint, options);
        const summary = await api.startRun({
          checkpoint,
          ...readData(getTexts(options['data'])),
          ...(field === 'text' ? {} : { field }),
          ...(validation.length > 0 ? { validation } : {}),
          settings,
          ...(target === undefined ? {} : { out: resolve(target) }),
          ...(name === undefined ? {} : { name }),
          ...(launch ? { launch } : {}),
          ...(stages ? { stages } : {}),
          ...readQueue(options),
        });
        if (summary.state === 'waiting') return followWaiting(context, summary, '');
        if (options['detach'] === true) return detach(context, summary);
        const end = await followRun(api, summary, '', out, signal);
        out.result(end.run, describeRun(end.run));
        return end.code;
      }),
    );
};

/** Waits until the run has started or failed. */
async function detach({ api, out, signal }: Context, { dir }: RunSummary): Promise<number> {
  for await (const event of api.followRun({ id: dir, from: 0 }, signal))
    if (event.type === 'started' || event.type === 'stopped') break;
  const summary = await api.run({ id: dir });
  out.result(summary, describeRun(summary));
  return summary.state === 'failed' ? exits.failed : exits.ok;
}
