/** @file Ends the engine of a run that another program of this computer trains. */
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { refuse } from '../base/errors.ts';
import { endProcess } from '../store/fs/end-process.ts';
import type { LockOwner } from '../store/fs/lock.ts';
import { isOwnSystem } from '../store/fs/process.ts';
import { activityOf, readTrainer } from '../store/run/state.ts';

/** Milliseconds between two looks, and until a run that was claimed has its engine. */
const lookInterval = 100;
const engineTimeout = 60_000;

/** Where a process runs that this one cannot signal. A container may have the name of its computer. */
const describePlace = (host: string): string =>
  host === '' || host === hostname() ? 'in another container or on another computer' : `on ${host}`;

/**
 * Waits until the run has an engine that holds its lock. Undefined once nothing works on the run any more. The
 * program that started the run must not be ended in its place: it may train others.
 */
async function waitForTrainer(dir: string): Promise<LockOwner | undefined> {
  for (const end = performance.now() + engineTimeout; ;) {
    const trainer = await readTrainer(dir);
    if (trainer) return trainer;
    const active = await activityOf(dir);
    if (!active) return undefined;
    const run = basename(dir);
    if (!isOwnSystem(active)) refuse('run/elsewhere', { run, where: describePlace(''), pid: active.pid });
    if (performance.now() > end)
      refuse('run/not-ended', { run, pid: active.pid, why: 'it has not started an engine for the run yet' });
    await wait(lookInterval);
  }
}

const reasons = {
  denied: 'it belongs to another user of this computer',
  unsure: 'this system does not say whether it is still the process that took the run',
} as const;

/**
 * Ends the engine of the run in `dir`, whoever started it: asks it to end, and kills it if it does not. Throws
 * `run/elsewhere` and `run/not-ended`.
 */
export async function endTrainer(dir: string): Promise<void> {
  const trainer = await waitForTrainer(dir);
  if (!trainer) return;
  const { mark, host, verdict } = trainer;
  const result = await endProcess(mark, { isSeenAlive: verdict === 'alive' });
  const run = basename(dir);
  if (result === 'foreign') refuse('run/elsewhere', { run, where: describePlace(host), pid: mark.pid });
  if (result !== 'ended') refuse('run/not-ended', { run, pid: mark.pid, why: reasons[result] });
}
