/** @file The worker thread that downloads or pushes. */
import { parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../../base/errors.ts';
import type { DownloadEvent, PushEvent } from '../../model/hub.ts';
import { downloadSnapshot } from './download.ts';
import { pushExport } from './push.ts';
import { createHub } from './requests.ts';
import type { HubMessage, HubTask } from './workers.ts';

const task = workerData as HubTask;
const controller = new AbortController();
const { signal } = controller;
const send = (message: HubMessage): void => {
  parentPort!.postMessage(message);
};
const onEvent = (event: DownloadEvent | PushEvent): void => {
  send({ type: 'event', event });
};
parentPort!.on('message', () => {
  controller.abort();
});

async function run(): Promise<unknown> {
  const hub = createHub(task.settings, task.token, task.retry);
  if (task.task === 'download') return downloadSnapshot(hub, task.snapshot, { signal, onEvent });
  return pushExport(hub, task.dir, task.repo, { private: task.private, signal, onEvent });
}

try {
  send({ type: 'result', value: await run() });
} catch (error) {
  send({ type: 'failed', error: toErrorData(error) });
}
parentPort!.close();
