/** @file cambium queue: the runs that wait for a device. */
import { describeError } from '../../../base/errors.ts';
import { deviceKinds } from '../../../base/device.ts';
import { queueMoves, type DeviceQueue, type QueuedKind } from '../../../contract/queue.ts';
import { readChoice } from '../arguments.ts';
import { jsonFlag, type AddCommand } from '../command.ts';
import { table } from '../output.ts';
import { toRunId } from './runs.ts';

const help = `
A device does one run, bake-off or tuning at a time. The background server or the desktop app starts the next one when
the one before it has finished, failed or been paused.

Examples:
  cambium train ./grown --data corpus.txt --tokens 10M --queue --detach
  cambium queue
  cambium queue move ./run first
  cambium queue remove ./run
  cambium queue hold cpu`;

const runArgument = ['<run>', 'folder or name of the waiting run'] as const;
const deviceArgument = ['<device>', deviceKinds.join(', ')] as const;

export const queue: AddCommand = (program, run) => {
  const command = program
    .command('queue')
    .description('list the runs that wait for a device; move, remove or hold them')
    .option(...jsonFlag)
    .addHelpText('after', help)
    .action(
      run(async ({ api, out }) => {
        const queues = await api.queue({});
        out.result({ queues }, tabulate(queues));
        return undefined;
      }),
    );
  command
    .command('move')
    .description('move a waiting run among those of its device')
    .argument(...runArgument)
    .argument('<to>', queueMoves.join(', '))
    .option(...jsonFlag)
    .action(
      run(async ({ api, out }, id, to) => {
        const request = { id: toRunId(id!), to: readChoice('<to>', to!, queueMoves) };
        const queues = await api.moveInQueue(request);
        out.result({ queues }, tabulate(queues));
        return undefined;
      }),
    );
  command
    .command('remove')
    .description('take a run out of the queue; its folder stays')
    .argument(...runArgument)
    .option(...jsonFlag)
    .action(
      run(async ({ api, out }, id) => {
        const queues = await api.removeFromQueue({ id: toRunId(id!) });
        out.result({ queues }, tabulate(queues));
        return undefined;
      }),
    );
  for (const [name, held, description] of [
    ['hold', true, 'let no waiting run start on a device'],
    ['release', false, 'let the waiting runs of a device start again'],
  ] as const)
    command
      .command(name)
      .description(description)
      .argument(...deviceArgument)
      .option(...jsonFlag)
      .action(
        run(async ({ api, out }, device) => {
          const queues = await api.holdQueue({ device: readChoice('<device>', device!, deviceKinds), held });
          out.result({ queues }, tabulate(queues));
          return undefined;
        }),
      );
};

const kindLabels: Readonly<Record<QueuedKind, string>> = {
  run: 'run',
  bakeoff: 'bake-off',
  tuning: 'tuning',
};

function tabulate(queues: readonly DeviceQueue[]): string {
  if (queues.length === 0) return 'Nothing waits.';
  const rows = queues.flatMap(({ device, isHeld, waiting }) =>
    waiting.map(({ kind, name, error, dir }, i) => [
      device,
      String(i + 1),
      kindLabels[kind],
      name,
      error ? `passed over: ${describeError(error)[0]}` : isHeld ? 'held' : 'waiting',
      dir,
    ]),
  );
  const held = queues.flatMap(({ device, isHeld }) =>
    isHeld ? [`${device} is held: cambium queue release ${device} lets its runs start.`] : [],
  );
  return [
    ...(rows.length > 0 ? [table([['device', 'place', 'kind', 'name', 'state', 'folder'], ...rows])] : []),
    ...held,
  ].join('\n');
}
