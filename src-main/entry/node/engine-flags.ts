/** @file The flags that choose the engine of a run, and how PyTorch is started. */
import type { Command } from 'commander';
import { consolidations, engineIds, launchDefaults, type LaunchSettings } from '../../service/catalog.ts';
import { findFlag, flagOf, readChoice, readWhole, refuseUsage } from './arguments.ts';
import { getText, type Options } from './command.ts';
import { addSlurmFlags, readSlurm, slurmFlagIds } from './slurm-flags.ts';

const group = 'Engine:';

/** Flags that only PyTorch has. */
const torchFlags = [
  'gpus',
  'processes',
  'tensorParallel',
  'compile',
  'consolidate',
  'pricePerHour',
  ...slurmFlagIds,
] as const;

/** Adds the flags. `engine` says what is used without --engine. */
export function addEngineFlags(command: Command, engine: string): Command {
  const rows: readonly (readonly [flags: string, help: string])[] = [
    [
      '--engine <cambium|torch>',
      `Cambium's own engine, or PyTorch with FSDP on several devices (default: ${engine})`,
    ],
    ['--gpus <n>', 'with torch: GPUs of this computer, one process each (default: all)'],
    ['--processes <n>', 'with torch on the CPU: processes (default: 1)'],
    [
      '--tensor-parallel <n>',
      "with torch: processes that divide single weights, by transformers' plan (default: 1)",
    ],
    ['--compile', 'with torch: compile the layers with torch.compile'],
    [
      '--consolidate <auto|save|end>',
      'with torch: write a Hugging Face folder at every save or at the end (default: auto, by size)',
    ],
    [
      '--price-per-hour <dollars>',
      'with torch: price of one device for an hour, for the cost and --budget-cost',
    ],
  ];
  for (const [flags, help] of rows) command.addOption(command.createOption(flags, help).helpGroup(group));
  addSlurmFlags(command);
  return command;
}

/**
 * How PyTorch trains the run; null if --engine names Cambium's own engine; undefined if neither is asked for. Throws
 * a usage error for flags that do not go together.
 */
export function readLaunch(options: Options): LaunchSettings | null | undefined {
  const text = getText(options['engine']);
  const given = torchFlags.filter((id) => options[id] !== undefined);
  const engine = text === undefined ? undefined : readChoice('--engine', text, engineIds);
  if (engine !== 'torch') {
    if (given.length > 0) refuseUsage(`${flagOf(given[0]!)} needs --engine torch`);
    return engine === undefined ? undefined : null;
  }
  if (options['gpus'] !== undefined && options['processes'] !== undefined)
    refuseUsage('give --gpus or --processes, not both');
  const slurm = readSlurm(options);
  const count = findFlag(options, 'gpus') ?? findFlag(options, 'processes');
  const tensor = findFlag(options, 'tensorParallel');
  const price = getText(options['pricePerHour']);
  const consolidate = getText(options['consolidate']);
  return {
    ...launchDefaults,
    ...(count ? { processes: readWhole(count.flag, count.text, 1) } : {}),
    ...(tensor ? { tensorParallel: readWhole(tensor.flag, tensor.text, 1) } : {}),
    ...(options['compile'] === true ? { compile: true } : {}),
    ...(consolidate === undefined
      ? {}
      : { consolidate: readChoice('--consolidate', consolidate, consolidations) }),
    ...(price === undefined ? {} : { pricePerHour: readPrice(price) }),
    ...(slurm ? { slurm } : {}),
  };
}

function readPrice(text: string): number {
  const price = Number(text);
  return text.trim() !== '' && price >= 0 && price <= 1e6
    ? price
    : refuseUsage(`--price-per-hour is "${text}", which is not an amount of US dollars`);
}
