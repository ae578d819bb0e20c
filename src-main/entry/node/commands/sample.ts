/** @file cambium sample: generates text. */
import { deviceChoices } from '../../../base/device.ts';
import { readChoice, readWhole, refuseUsage } from '../arguments.ts';
import { deviceFlag, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { exits } from '../output.ts';
import { toRunId } from './runs.ts';

const examples = `
Examples:
  cambium sample ./grown --prompt "Once upon a time"
  cambium sample ./run --prompt "ROMEO:" --tokens 200 --temperature 0.8`;

export const sample: AddCommand = (program, run) => {
  program
    .command('sample')
    .argument('<dir|run>', 'a checkpoint, or a run (its newest weights)')
    .description('generate text with a model')
    .requiredOption('--prompt <text>', 'the text to continue')
    .option('--tokens <n>', 'tokens to generate', '100')
    .option('--temperature <x>', 'sampling temperature; 0 always takes the most likely token', '0')
    .option('--seed <n>', 'seed of the sampling', '0')
    .option(...deviceFlag)
    .option(...jsonFlag)
    .addHelpText('after', examples)
    .action(
      run(async ({ api, out, options, signal }, id) => {
        const prompt = String(options['prompt']);
        const request = {
          from: toRunId(id!),
          prompt,
          temperature: readTemperature(options),
          tokens: readWhole('--tokens', String(options['tokens']), 1),
          seed: readWhole('--seed', String(options['seed'])),
          device: readChoice('--device', String(options['device']), deviceChoices),
        };
        let text = '';
        let tokens = 0;
        let seconds = 0;
        out.piece(prompt);
        for await (const event of api.sample(request, signal)) {
          if (event.type === 'text') {
            text += event.text;
            out.piece(event.text);
          } else ({ tokens, seconds } = event);
        }
        out.result({ prompt, text, tokens, seconds }, '');
        return exits.ok;
      }),
    );
};

function readTemperature(options: Options): number {
  const text = String(options['temperature']);
  const temperature = Number(text);
  if (!(temperature >= 0)) refuseUsage(`--temperature is "${text}", which is not a number of at least 0`);
  return temperature;
}
