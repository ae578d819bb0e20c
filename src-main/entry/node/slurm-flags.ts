/** @file The flags of a job of Slurm. */
import type { Command } from 'commander';
import { slurmSettings, type SlurmSettings } from '../../service/catalog.ts';
import { findFlag, flagOf, readWhole, refuseUsage } from './arguments.ts';
import { collect, getText, getTexts, type Options } from './command.ts';

const texts = ['partition', 'account', 'qos', 'constraint'] as const;
const furtherFlags = ['minutes', ...texts, 'cpus', 'slurmOption'] as const;
/** Every flag of a job of Slurm, as options have them. */
export const slurmFlagIds = ['nodes', ...furtherFlags] as const;
const defaultMinutes = 1440;

const rows: readonly (readonly [flags: string, help: string])[] = [
  ['--nodes <n>', 'queue it in Slurm on this many nodes; --gpus are those of each node'],
  ['--minutes <n>', `time limit; the run saves before it and is queued again (default: ${defaultMinutes})`],
  ['--partition <name>', 'partition'],
  ['--account <name>', 'account'],
  ['--qos <name>', 'quality of service'],
  ['--constraint <features>', 'features that the nodes must have'],
  ['--cpus <n>', 'CPU cores of each process'],
];

export function addSlurmFlags(command: Command): void {
  const group = 'Slurm, with --engine torch:';
  for (const [flags, help] of rows) command.addOption(command.createOption(flags, help).helpGroup(group));
  const further = command.createOption(
    '--slurm-option <option>',
    'a further option of sbatch, such as --slurm-option=--exclusive; may be repeated',
  );
  command.addOption(further.helpGroup(group).argParser(collect));
}

/** The job; undefined if the run starts on this computer. */
export function readSlurm(options: Options): SlurmSettings | undefined {
  const nodes = findFlag(options, 'nodes');
  if (!nodes) {
    const given = furtherFlags.find((id) => options[id] !== undefined);
    return given === undefined ? undefined : refuseUsage(`${flagOf(given)} needs --nodes`);
  }
  const minutes = findFlag(options, 'minutes');
  const cpus = findFlag(options, 'cpus');
  const further = getTexts(options['slurmOption']);
  const read = slurmSettings.safeParse({
    nodes: readWhole(nodes.flag, nodes.text, 1),
    minutes: minutes ? readWhole(minutes.flag, minutes.text, 1) : defaultMinutes,
    ...Object.fromEntries(
      texts.filter((id) => options[id] !== undefined).map((id) => [id, getText(options[id])]),
    ),
    ...(cpus ? { cpus: readWhole(cpus.flag, cpus.text, 1) } : {}),
    ...(further.length > 0 ? { options: further } : {}),
  });
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  return refuseUsage(`${flagOf(path[0] === 'options' ? 'slurmOption' : String(path[0]))} ${message}`);
}
