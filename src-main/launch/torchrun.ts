/** @file Starts the trainer on this computer: torchrun with one process for each device. */
import { join } from 'node:path';
import { startCommand, type RunningCommand } from './commands.ts';
import { logFile, trainerFolder } from './work/work-folder.ts';

/** How often all processes are started again after one of them died. */
const maxRestarts = 3;

export interface TorchrunOptions {
  readonly python: string;
  /** The work folder. */
  readonly work: string;
  readonly processes: number;
}

/** A lost process ends all; torchrun starts them again, and they continue from the newest checkpoint. */
export const startTorchrun = ({ python, work, processes }: TorchrunOptions): RunningCommand =>
  startCommand(
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
