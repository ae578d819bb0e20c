/** @file Starts the trainer on this computer: torchrun with one process for each device. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonIfValid, writeJson } from '../store/fs/files.ts';
import { getProcessStart } from '../store/fs/process.ts';
import { killGroup, startCommand } from './commands.ts';
import type { Job } from './job.ts';
import { logFile, trainerFolder } from './work/work-folder.ts';

/** How often all processes are started again after one of them died. */
export const maxRestarts = 3;

const processFile = 'process.json';
const storedProcess = z.object({ pid: z.number().int().positive(), born: z.string().nullable() });

export interface TorchrunOptions {
  readonly python: string;
  /** The work folder. */
  readonly work: string;
  readonly processes: number;
}

/** A lost process ends all; torchrun starts them again, and they continue from the newest checkpoint. */
export async function startTorchrun({ python, work, processes }: TorchrunOptions): Promise<Job> {
  const command = startCommand(
    [
      python,
      ...['-m', 'torch.distributed.run'],
      ...['--standalone', '--nproc-per-node', String(processes)],
      ...['--max-restarts', String(maxRestarts), '--monitor-interval', '1'],
      join(work, trainerFolder, 'train.py'),
      work,
    ],
    {
      cwd: work,
      environment: { ...process.env, PYTHONIOENCODING: 'utf-8', CAMBIUM_PID: String(process.pid) },
      log: join(work, logFile),
    },
  );
  const { pid } = command;
  await writeJson(join(work, processFile), { pid, born: getProcessStart(pid) });
  const ended = command.exited.then(async (code) => {
    await rm(join(work, processFile), { force: true });
    return { code, how: code === null ? 'it was ended by a signal' : `exit code ${code}` };
  });
  // It is awaited later than a failure to start is reported.
  ended.catch(() => undefined);
  return { ended, onStopRequested: () => Promise.resolve(false), leave: command.kill };
}

/** Ends a trainer of this work folder that still runs. Two of them would write the same files. */
export async function endFormerTrainer(work: string): Promise<void> {
  const path = join(work, processFile);
  const stored = storedProcess.safeParse(await readJsonIfValid(path));
  if (!stored.success) return;
  const { pid, born } = stored.data;
  const start = getProcessStart(pid);
  if (start !== null && start === born) killGroup(pid);
  await rm(path, { force: true });
}
