/**
 * @file The worker that downloads or pushes, so that the process that asked stays awake: bytes, hashes and
 * disk are here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { dataOf } from '../../base/errors.ts';
import { downloadSnapshot } from './download.ts';
import { pushExport } from './push.ts';
import { createHub } from './requests.ts';
import type { HubMessage, HubTask } from './workers.ts';

const task = workerData as HubTask;
const cancel = new AbortController();
const { signal } = cancel;
const say = (message: HubMessage): void => {
  parentPort!.postMessage(message);
};
parentPort!.on('message', () => {
  cancel.abort();
});

try {
  const hub = createHub(task.settings, task.token, task.patience);
  if (task.task === 'download')
    say({
      at: 'result',
      value: await downloadSnapshot(hub, task.snapshot, {
        signal,
        onEvent: (event) => {
          say({ at: 'event', event });
        },
      }),
    });
  else
    say({
      at: 'result',
      value: await pushExport(hub, task.dir, task.repo, {
        private: task.private,
        signal,
        onEvent: (event) => {
          say({ at: 'event', event });
        },
      }),
    });
} catch (error) {
  say({ at: 'failed', error: dataOf(error) });
}
parentPort!.close();
