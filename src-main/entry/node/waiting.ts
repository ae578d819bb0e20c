/** @file Runs that wait for a device: the flag --queue, and waiting on a terminal for a run's turn. */
import { setTimeout as wait } from 'node:timers/promises';
import { queuePlaces } from '../../contract/queue.ts';
import type { RunSummary, TrainingRequest } from '../../contract/schema.ts';
import { readChoice } from './arguments.ts';
import { ensureServer, ownCommandLine } from './background.ts';
import type { Context, Options } from './command.ts';
import { describePosition, describeRun, followRun } from './follow.ts';
import { exits } from './output.ts';

/** The arguments of `option`. */
export const queueFlag = [
  '--queue [place]',
  `wait while another run trains on the device, behind the others or before them: ${queuePlaces.join(', ')} ` +
    '(default: last)',
] as const;

export const readQueue = ({ queue }: Options): Pick<TrainingRequest, 'queue'> => {
  if (queue === undefined) return {};
  return { queue: queue === true ? 'last' : readChoice('--queue', String(queue), queuePlaces) };
};

const pollMilliseconds = 500;
/**
 * Makes sure that a server starts the run when its turn comes. Then follows it from there on, unless it is detached;
 * Ctrl+C takes it out of the queue. `since` is as in `followRun`.
 */
export async function followWaiting(context: Context, run: RunSummary, since: string): Promise<number> {
  const { api, out, options, signal } = context;
  // A server of the remote host answers a command with --host.
  if (options['host'] === undefined) await ensureServer((await api.about({})).home, ownCommandLine());
  if (options['detach'] === true) {
    out.result(run, describeRun(run));
    return exits.ok;
  }
  const turn = await waitForTurn(context, run);
  if (turn === undefined) {
    const left = await api.run({ id: run.dir });
    out.result(left, describeRun(left));
    return exits.cancelled;
  }
  const end = await followRun(api, turn, since, out, signal);
  out.result(end.run, describeRun(end.run));
  return end.code;
}

/** The run when it has left the queue to train; undefined if it was taken out. */
async function waitForTurn({ api, out, signal }: Context, run: RunSummary): Promise<RunSummary | undefined> {
  let said = '';
  for (let now = run; ; now = await api.run({ id: run.dir })) {
    if (now.state !== 'waiting') return now.state === 'paused' ? undefined : now;
    if (signal.aborted) {
      await api.removeFromQueue({ id: run.dir });
      return undefined;
    }
    const place = now.queue ? describePosition(now.queue) : now.state;
    if (place !== said) out.note(`${run.name}: ${place}; Ctrl+C takes it out of the queue`);
    said = place;
    await wait(pollMilliseconds);
  }
}
