/** @file The flags of a growth, which `plan` and `grow` share. */
import type { Command } from 'commander';
import { methods } from '../../service/catalog.ts';
import { collect } from './command.ts';

type Method = NonNullable<ReturnType<typeof methods.get>>;

export const outputDTypes = ['keep', 'float32', 'bfloat16', 'float16'] as const;

/** Adds the flags. A command whose settings have a seed needs no other. */
export function addGrowthFlags(command: Command, { hasSeed = true } = {}): Command {
  if (hasSeed) command.option('--seed <n>', 'seed of noise and of new weights', '0');
  return command
    .option('--method <id>', `growth method: ${[...methods.keys()].join(', ')}`)
    .option('--times <sizes>', 'new sizes as multiples: hidden=2,ffn=2')
    .option('--to <sizes>', 'new sizes: hidden=1024,ffn=4096')
    .option('--option <key=value>', 'an option of the method; may be repeated', collect)
    .option('--dtype <dtype>', `type of the grown weights: ${outputDTypes.join(', ')}`, 'keep')
    .option(
      '--then <method...>',
      'another stage, applied to the result of the one before: --then identity layers=x2; may be repeated',
    )
    .option(
      '--recipe <file>',
      'stages from a JSON file: [{ "method": …, "to" or "times": {…}, "options": {…} }, …]',
    );
}

/** The methods and their options, for the help. */
export const describeMethods = (): string =>
  `\nMethods:\n${[...methods.values()].map(describeMethod).join('')}`;

/** Room for the longest id, two spaces before it and two after it. */
const idWidth = Math.max(...[...methods.keys()].map((id) => id.length)) + 2;
const indent = ' '.repeat(idWidth + 2);

function describeMethod({ id, summary, caveat, options }: Method): string {
  const lines = [
    `  ${id.padEnd(idWidth)}${summary}`,
    ...(caveat === undefined ? [] : [`${indent}note: ${caveat}`]),
    ...options.map((option) => `${indent}--option ${option.id}=${valuesOf(option)}  ${option.help}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function valuesOf(option: Method['options'][number]): string {
  if (option.kind === 'choice') return option.choices.map(({ value }) => value).join('|');
  if (option.kind === 'text') return 'text';
  return option.off ? `N|${option.off}` : 'N';
}
