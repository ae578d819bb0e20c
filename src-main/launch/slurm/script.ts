/** @file The batch script of a Slurm job: torchrun on each of its nodes. */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { LaunchSettings, SlurmSettings } from '../../train/launch.ts';
import { maxRestarts } from '../torchrun.ts';
import { logFile, preemptFile, trainerFolder } from '../work/work-folder.ts';

/** Seconds before the time limit at which the trainer saves and the job is queued again. */
const secondsToSave = 120;
const firstPort = 20_000;
const ports = 20_000;

export interface ScriptOptions {
  readonly launch: LaunchSettings & { readonly slurm: SlurmSettings };
  /** The work folder, which all nodes see. */
  readonly work: string;
  readonly python: string;
  /** True if the processes need no GPU. */
  readonly isCpu: boolean;
}

/** A path in single quotes of a shell. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Throws `run/bad-setting` for a path that would end a line or a quoted text of the script. */
function checkPath(path: string): void {
  if (!/[\0-\x1f"\\$`]/.test(path)) return;
  refuse('run/bad-setting', { setting: 'folder', why: `${path} has quotes, $, \\ or line breaks` });
}

/** The options of the job, as `#SBATCH` lines have them. */
function optionsOf({ launch: { slurm, processes }, work, isCpu }: ScriptOptions): readonly string[] {
  const { nodes, minutes, cpus, partition, account, qos, constraint, options = [] } = slurm;
  const lead = Math.min(secondsToSave, Math.floor(minutes * 30));
  return [
    '--job-name=cambium',
    `--nodes=${nodes}`,
    '--ntasks-per-node=1',
    ...(isCpu ? [] : [`--gpus-per-node=${processes}`]),
    ...(cpus === undefined ? [] : [`--cpus-per-task=${cpus * processes}`]),
    `--time=${minutes}`,
    `--signal=B:USR1@${lead}`,
    '--requeue',
    '--open-mode=append',
    `--output=${join(work, logFile).replaceAll('%', '%%')}`,
    ...(partition === undefined ? [] : [`--partition=${partition}`]),
    ...(account === undefined ? [] : [`--account=${account}`]),
    ...(qos === undefined ? [] : [`--qos=${qos}`]),
    ...(constraint === undefined ? [] : [`--constraint=${constraint}`]),
    ...options,
  ];
}

/**
 * The script. Shortly before the time limit it asks the trainer to save, and queues the job again; the next time it
 * continues from that checkpoint.
 */
export function slurmScript(options: ScriptOptions): string {
  const { launch, work, python } = options;
  checkPath(work);
  checkPath(python);
  return `#!/bin/bash
${optionsOf(options)
  .map((option) => `#SBATCH ${/\s/.test(option) ? `"${option}"` : option}`)
  .join('\n')}

work=${quote(work)}
rm -f "$work/${preemptFile}"
trap 'touch "$work/${preemptFile}"' USR1

srun --kill-on-bad-exit=1 ${quote(python)} -m torch.distributed.run \\
  --nnodes=${launch.slurm.nodes} --nproc-per-node=${launch.processes} --max-restarts=${maxRestarts} \\
  --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" \\
  --rdzv-endpoint="$(hostname):$((${firstPort} + SLURM_JOB_ID % ${ports}))" \\
  "$work/${trainerFolder}/train.py" "$work" &

# A signal ends \`wait\`, but not the training.
while true; do
  wait $!
  code=$?
  kill -0 $! 2>/dev/null || break
done

if [ -e "$work/${preemptFile}" ]; then
  rm -f "$work/${preemptFile}"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
`;
}
