/**
 * @file Downloads and pushes in a thread of their own. The token reaches it through memory and is written
 * nowhere.
 */
import { Worker } from 'node:worker_threads';
import { AppError, appError, type ErrorData } from '../../base/errors.ts';
import type { DownloadEvent, HubSnapshot, PushEvent } from '../../model/hub.ts';
import type { Hub, Patience } from './requests.ts';
import type { HubSettings, Token } from './settings.ts';
import { workerFile } from '../fs/worker-file.ts';

interface Asking {
  readonly settings: HubSettings;
  readonly token: Token | null;
  readonly patience: Patience;
}
type DownloadTask = { readonly task: 'download'; readonly snapshot: HubSnapshot };
type PushTask = {
  readonly task: 'push';
  readonly dir: string;
  readonly repo: string;
  readonly private: boolean;
};
export type HubTask = Asking & (DownloadTask | PushTask);
export type HubMessage =
  | { readonly at: 'event'; readonly event: DownloadEvent | PushEvent }
  | { readonly at: 'result'; readonly value: unknown }
  | { readonly at: 'failed'; readonly error: ErrorData };

/** The folder of the snapshot. The signal stops it; what came is kept. */
export const downloadApart = (
  hub: Hub,
  snapshot: HubSnapshot,
  onEvent: (event: DownloadEvent) => void,
  signal: AbortSignal,
): Promise<string> =>
  apart<string>(
    hub,
    { task: 'download', snapshot },
    (event) => {
      onEvent(event as DownloadEvent);
    },
    signal,
  );

/** The commit. The signal stops it before anybody sees anything. */
export const pushApart = (
  hub: Hub,
  task: Omit<PushTask, 'task'>,
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal,
): Promise<Extract<PushEvent, { at: 'done' }>> =>
  apart<Extract<PushEvent, { at: 'done' }>>(
    hub,
    { task: 'push', ...task },
    (event) => {
      onEvent(event as PushEvent);
    },
    signal,
  );

function apart<T>(
  { settings, token, patience }: Hub,
  task: DownloadTask | PushTask,
  onEvent: (event: DownloadEvent | PushEvent) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise<T>((done, fail) => {
    const worker = new Worker(workerFile('hub-worker', import.meta.url), {
      workerData: { settings, token, patience, ...task } satisfies HubTask,
      execArgv: [],
    });
    const cancel = (): void => {
      worker.postMessage('cancel');
    };
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    let answer: { readonly value: T } | undefined;
    worker.on('message', (message: HubMessage) => {
      if (message.at === 'event') onEvent(message.event);
      else if (message.at === 'failed') fail(new AppError(message.error.code, message.error.detail));
      else answer = { value: message.value as T };
    });
    worker.on('error', fail);
    worker.on('exit', () => {
      signal.removeEventListener('abort', cancel);
      if (answer) done(answer.value);
      else fail(appError('internal', { message: 'the thread of the download ended early' }));
    });
  });
}
