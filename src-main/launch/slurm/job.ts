/**
 * @file A job of Slurm, through the commands of the login node. It goes on when its Cambium ends; a later session of
 * the run finds it by the id in its work folder and follows it.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { readJsonIfValid, writeJson, writeText } from '../../store/fs/files.ts';
import { runCommand } from '../commands.ts';
import type { Job, JobEnd } from '../job.ts';
import { slurmScript, type ScriptOptions } from './script.ts';

const idFile = 'slurm.json';
export const scriptFile = 'job.sh';
const storedId = z.object({ job: z.string().regex(/^\d+$/) });

const pollMilliseconds = 2000;
/** Failed looks in a row after which the controller counts as lost. */
const mostFailures = 150;

/** Writes the script into the work folder and submits it. Throws `slurm/failed`. */
export async function submitSlurmJob(options: ScriptOptions): Promise<Job> {
  const { work } = options;
  const script = join(work, scriptFile);
  await writeText(script, slurmScript(options));
  const id = /^\d+/.exec(await call(['sbatch', '--parsable', script]))?.[0];
  if (id === undefined) return refuse('slurm/failed', { command: 'sbatch', why: 'it named no job' });
  await writeJson(join(work, idFile), { job: id });
  return follow(id, work);
}

/** The job of a work folder that has not ended; undefined if there is none. */
export async function findSlurmJob(work: string): Promise<Job | undefined> {
  const stored = storedId.safeParse(await readJsonIfValid(join(work, idFile)));
  if (!stored.success) return undefined;
  const { job } = stored.data;
  if ((await stateOf(job)) !== undefined) return follow(job, work);
  await rm(join(work, idFile), { force: true });
  return undefined;
}

function follow(id: string, work: string): Job {
  let isLeft = false;
  const watch = async (): Promise<JobEnd> => {
    while ((await stateOf(id)) !== undefined && !isLeft) await wait(pollMilliseconds);
    if (!isLeft) await rm(join(work, idFile), { force: true });
    return { code: null, how: `job ${id} of Slurm is no longer in the queue` };
  };
  return {
    ended: watch(),
    async onStopRequested() {
      if ((await stateOf(id)) !== 'PENDING') return false;
      // A job that begins at this moment is not cancelled, and reads the request.
      await call(['scancel', '--state=PENDING', id]);
      return true;
    },
    leave() {
      isLeft = true;
    },
  };
}

/** The state of a job, such as `RUNNING`; undefined if it has ended. Throws `slurm/failed`. */
async function stateOf(id: string): Promise<string | undefined> {
  for (let failures = 1; ; failures++) {
    const { code, output, errors, isMissing } = await runCommand(['squeue', '-h', '-j', id, '-o', '%T']);
    if (code === 0) {
      const [state = ''] = output.trim().split('\n');
      return endStates.has(state) ? undefined : state;
    }
    if (/invalid job id/i.test(errors)) return undefined;
    if (isMissing || failures >= mostFailures)
      return refuse('slurm/failed', {
        command: 'squeue',
        why: isMissing ? 'it is not installed' : errors.trim(),
      });
    await wait(pollMilliseconds);
  }
}

/** States of a job that has ended; squeue shows it for some minutes. */
const endStates = new Set([
  '',
  'BOOT_FAIL',
  'CANCELLED',
  'COMPLETED',
  'DEADLINE',
  'FAILED',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'TIMEOUT',
]);

/** The output of a command of Slurm. Throws `slurm/failed`. */
async function call(command: readonly [string, ...string[]]): Promise<string> {
  const { code, output, errors, isMissing } = await runCommand(command);
  if (code === 0) return output;
  const why = isMissing ? 'it is not installed' : errors.trim() || `exit code ${code ?? 'of a signal'}`;
  return refuse('slurm/failed', { command: command[0], why });
}
