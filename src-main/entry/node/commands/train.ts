/** @file cambium train: starts a run and follows it; Ctrl+C asks it to stop and save. */
import { resolve } from 'node:path';
import { readChoice, readData, readTraining, trainingFlags } from '../arguments.ts';
import { collect, text, texts, type AddCommand } from '../command.ts';
import { describeRun, devices, followRun } from '../following.ts';
import { exits } from '../output.ts';

export const train: AddCommand = (program, run) => {
  const command = program
    .command('train')
    .argument('<dir>', 'folder of the checkpoint to train')
    .description('train a checkpoint on text; Ctrl+C stops and saves, `cambium resume` goes on')
    .requiredOption(
      '--data <what>',
      'a text, .jsonl or .parquet file, a pattern, or a folder; may be repeated; PATH=WEIGHT says how often each is drawn from',
      collect,
    )
    .option('--field <name>', 'the JSON field or column with the text', 'text')
    .option('--out <run>', "folder of the run; by default one below Cambium's own")
    .option('--name <name>', 'what the run is called')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--prompt <text>', 'what samples begin with');
  for (const { flags, help } of trainingFlags) command.option(flags, help);
  command
    .option(
      '--detach',
      'leave it training in the background; `cambium runs` shows it, `cambium stop` stops it',
    )
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExit codes: 0 finished (or stopped by `cambium stop`), 130 stopped by Ctrl+C and saved, 1 failed.\n\nExamples:\n  cambium train ./grown --data corpus.txt --tokens 10M --out ./run\n  cambium train ./grown --data a.jsonl --data b.txt --tokens 1M --schedule wsd --lr 1e-3 --save-every 100\n  cambium train ./grown --data ./fineweb=3 --data "books/*.txt=1" --tokens 100M',
    )
    .action(
      run(async ({ api, out, options, signal }, dir) => {
        const settings = {
          ...readTraining(options),
          device: readChoice('--device', String(options['device']), devices),
          prompt: text(options['prompt']) ?? '',
        };
        const target = text(options['out']);
        const name = text(options['name']);
        const card = await api.startRun({
          checkpoint: resolve(dir!),
          ...readData(texts(options['data'])),
          ...(options['field'] === 'text' ? {} : { field: String(options['field']) }),
          settings,
          ...(target === undefined ? {} : { out: resolve(target) }),
          ...(name === undefined ? {} : { name }),
        });
        if (options['detach'] === true) {
          for await (const event of api.followRun({ id: card.dir, from: 0 }, signal))
            if (event.at === 'started' || event.at === 'stopped') break;
          const now = await api.run({ id: card.dir });
          out.result(now, describeRun(now));
          return now.state === 'failed' ? exits.failed : exits.ok;
        }
        const end = await followRun(api, card, '', out, signal);
        out.result(end.card, describeRun(end.card));
        return end.code;
      }),
    );
};
