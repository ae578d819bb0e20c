/** @file cambium sample: the model goes on with a text. */
import { readChoice, readWhole } from '../arguments.ts';
import { exits } from '../output.ts';
import { refuse } from '../../../base/errors.ts';
import type { AddCommand } from '../command.ts';
import { devices } from '../following.ts';
import { runGiven } from './runs.ts';

export const sample: AddCommand = (program, run) => {
  program
    .command('sample')
    .argument('<dir|run>', 'a checkpoint, or a run (its newest weights)')
    .description('let a model go on with a text')
    .requiredOption('--prompt <text>', 'what the text begins with')
    .option('--tokens <n>', 'how many tokens to write', '100')
    .option('--temperature <x>', '0 takes the likeliest token each time', '0')
    .option('--seed <n>', 'of the draws', '0')
    .option('--device <device>', devices.join(', '), 'auto')
    .option('--json', 'one JSON object as the last line of standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  cambium sample ./grown --prompt "Once upon a time"\n  cambium sample ./run --prompt "ROMEO:" --tokens 200 --temperature 0.8',
    )
    .action(
      run(async ({ api, out, options, signal }, from) => {
        const prompt = String(options['prompt']);
        const temperature = Number(options['temperature']);
        if (!(temperature >= 0))
          refuse('usage', {
            why: `--temperature is "${String(options['temperature'])}", which is not a number of at least 0`,
          });
        let text = '';
        let tokens = 0;
        let seconds = 0;
        out.piece(prompt);
        for await (const event of api.sample(
          {
            from: runGiven(from!),
            prompt,
            temperature,
            tokens: readWhole('--tokens', String(options['tokens']), 1),
            seed: readWhole('--seed', String(options['seed'])),
            device: readChoice('--device', String(options['device']), devices),
          },
          signal,
        )) {
          if (event.at === 'text') {
            text += event.text;
            out.piece(event.text);
          } else {
            ({ tokens, seconds } = event);
          }
        }
        out.result({ prompt, text, tokens, seconds }, '');
        return exits.ok;
      }),
    );
};
