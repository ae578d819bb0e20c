/** @file Runs downloads and pushes in a worker thread, to which the token is passed in memory. */
import { Worker } from 'node:worker_threads';
import { AppError, createError, type ErrorData } from '../../base/errors.ts';
import type { DownloadEvent, HubSnapshot, PushEvent } from '../../model/hub.ts';
import { resolveWorkerUrl } from '../fs/worker-url.ts';
import type { Hub, RetryOptions } from './requests.ts';
import type { HubSettings, HubToken } from './settings.ts';

interface HubOptions {
  readonly settings: HubSettings;
  readonly token: HubToken | null;
  readonly retry: RetryOptions;
}
interface DownloadTask {
  readonly task: 'download';
  readonly snapshot: HubSnapshot;
}
interface PushTask {
  readonly task: 'push';
  readonly dir: string;
  readonly repo: string;
  readonly private: boolean;
}
type PushDone = Extract<PushEvent, { type: 'done' }>;

/** What the worker is started with. */
export type HubTask = HubOptions & (DownloadTask | PushTask);

/** What the worker sends. Any message to it cancels. */
export type HubMessage =
  | { readonly type: 'event'; readonly event: DownloadEvent | PushEvent }
  | { readonly type: 'result'; readonly value: unknown }
  | { readonly type: 'failed'; readonly error: ErrorData };

/** `downloadSnapshot` in a worker thread. Returns the folder of the snapshot. */
export const downloadInWorker = (
  hub: Hub,
  snapshot: HubSnapshot,
  onEvent: (event: DownloadEvent) => void,
  signal: AbortSignal,
): Promise<string> => runWorker(hub, { task: 'download', snapshot }, onEvent, signal);

/** `pushExport` in a worker thread. */
export const pushInWorker = (
  hub: Hub,
  task: Omit<PushTask, 'task'>,
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal,
): Promise<PushDone> => runWorker(hub, { task: 'push', ...task }, onEvent, signal);

/** Runs a worker to its end. `E` and `T` are the types of the task's events and of its result. */
function runWorker<E extends DownloadEvent | PushEvent, T>(
  { settings, token, retry }: Hub,
  task: DownloadTask | PushTask,
  onEvent: (event: E) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const worker = new Worker(resolveWorkerUrl('hub-worker', import.meta.url), {
      workerData: { settings, token, retry, ...task } satisfies HubTask,
      execArgv: [],
    });
    const cancel = (): void => {
      worker.postMessage('cancel');
    };
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    let result: { readonly value: T } | undefined;
    worker.on('message', (message: HubMessage) => {
      if (message.type === 'event') onEvent(message.event as E);
      else if (message.type === 'failed') reject(new AppError(message.error.code, message.error.detail));
      else result = { value: message.value as T };
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      signal.removeEventListener('abort', cancel);
      if (result) resolve(result.value);
      else reject(createError('internal', { message: 'the thread of the download ended early' }));
    });
  });
}
