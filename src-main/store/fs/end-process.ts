/** @file Ends a process of this computer that this process did not start. */
import { setTimeout as wait } from 'node:timers/promises';
import { getProcessStart, isProcessAlive, markOwnProcess, type ProcessMark } from './process.ts';

/** Why a process was not ended: it runs elsewhere, belongs to another user, or may be another one by now. */
export type EndProcessResult = 'ended' | 'foreign' | 'denied' | 'unsure';

export interface EndProcessOptions {
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly grace?: number;
  /** True if the process gave a sign of life; where the system does not say when it started, nothing else tells. */
  readonly isSeenAlive?: boolean;
}

const defaultGrace = 5000;
/** Milliseconds between two looks, and until a killed process has ended. */
const lookInterval = 20;
const killTimeout = 10_000;

/**
 * Ends the process of `mark`: SIGTERM, and SIGKILL if it still runs after `grace`. Before each signal the system must
 * say that the process id still belongs to a process that started at the same time.
 */
export async function endProcess(
  { pid, born, system }: ProcessMark,
  { grace = defaultGrace, isSeenAlive = false }: EndProcessOptions = {},
): Promise<EndProcessResult> {
  const own = markOwnProcess();
  if (system !== own.system) return 'foreign';
  if (pid === own.pid) return 'unsure';
  const hasStart = born !== null && own.born !== null;
  const isSame = (): boolean => isProcessAlive(pid) && (!hasStart || getProcessStart(pid) === born);
  const endsWithin = async (ms: number): Promise<boolean> => {
    for (const end = performance.now() + ms; performance.now() < end; await wait(lookInterval))
      if (!isSame()) return true;
    return !isSame();
  };
  if (!isSame()) return 'ended';
  if (!hasStart && !isSeenAlive) return 'unsure';
  for (const [signal, ms] of [['SIGTERM', grace] as const, ['SIGKILL', killTimeout] as const]) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPERM') return 'denied';
      // It has ended.
    }
    if (await endsWithin(ms)) return 'ended';
  }
  return 'unsure';
}
