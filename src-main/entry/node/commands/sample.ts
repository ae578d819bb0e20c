/** @file cambium sample: generates text. */
import { deviceChoices } from '../../../base/device.ts';
import { readChoice, readWhole, refuseUsage } from '../arguments.ts';
import { deviceFlag, getText, jsonFlag, type AddCommand, type Options } from '../command.ts';
import { exits } from '../output.ts';
import { toRunId } from './runs.ts';

const examples = `
Examples:
  cambium sample ./grown --prompt "Once upon a time"
  cambium sample ./run --prompt "ROMEO:" --tokens 200 --temperature 0.8 --top-p 0.95
  cambium sample ./instruct --prompt "Name three rivers." --chat --temperature 0.7 --min-p 0.05`;

export const sample: AddCommand = (program, run) => {
  program
    .command('sample')
    .argument('<dir|run>', 'a checkpoint, or a run (its newest weights)')
    .description('generate text with a model')
    .requiredOption('--prompt <text>', 'the text to continue')
    .option('--tokens <n>', 'tokens to generate', '100')
    .option('--temperature <x>', 'sampling temperature; 0 always takes the most likely token', '0')
    .option('--top-k <n>', 'keep the n most likely tokens')
    .option('--top-p <x>', 'keep the most likely tokens that together have this probability')
    .option('--min-p <x>', 'drop tokens below this share of the largest probability')
    .option('--repetition-penalty <x>', 'make tokens that the text has less likely; 1 changes nothing')
    .option('--chat', 'write the prompt as a message with the chat template of the tokenizer')
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
          temperature: readNumber(options, 'temperature', (x) => x >= 0, 'of at least 0')!,
          topK: options['topK'] === undefined ? undefined : readWhole('--top-k', String(options['topK']), 1),
          topP: readNumber(options, 'top-p', (x) => x > 0 && x <= 1, 'above 0 and at most 1'),
          minP: readNumber(options, 'min-p', (x) => x >= 0 && x <= 1, 'from 0 to 1'),
          repetitionPenalty: readNumber(
            options,
            'repetition-penalty',
            (x) => x >= 0.1 && x <= 10,
            'from 0.1 to 10',
          ),
          chat: options['chat'] === true,
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
          } else if (event.type === 'done') ({ tokens, seconds } = event);
        }
        out.result({ prompt, text, tokens, seconds }, '');
        return exits.ok;
      }),
    );
};

/** A number of a flag; undefined if it is not given. */
function readNumber(
  options: Options,
  flag: string,
  isValid: (value: number) => boolean,
  range: string,
): number | undefined {
  const text = getText(options[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !isValid(value))
    refuseUsage(`--${flag} is "${text}", which is not a number ${range}`);
  return value;
}
