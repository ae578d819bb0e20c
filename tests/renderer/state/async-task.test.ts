import { expect, it } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { AsyncTask } from '../../../src-renderer/state/async-task.svelte.ts';

it('drops the result of a call that a newer call has replaced', async () => {
  const task = new AsyncTask<string>();
  let resolveFirst!: (value: string) => void;
  const first = task.run(
    () =>
      new Promise<string>((resolve) => {
        resolveFirst = resolve;
      }),
  );
  await task.run(() => Promise.resolve('new'));
  resolveFirst('old');
  await first;
  expect(task.value).toBe('new');
  expect(task.isRunning).toBe(false);
});

it('keeps the error as data', async () => {
  const task = new AsyncTask<string>();
  await task.run(() => Promise.reject(createError('file/not-found', { path: '/x' })));
  expect(task.error).toEqual({ code: 'file/not-found', detail: { path: '/x' } });
});
