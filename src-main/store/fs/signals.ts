/** @file Converts the app's abort signals to Node's. */
import type { AbortSignalLike } from '../../base/signals.ts';

/** An `AbortController` that aborts when `signal` does, and can also be aborted on its own. */
export function createLinkedController(signal: AbortSignalLike | undefined): AbortController {
  const controller = new AbortController();
  if (signal?.aborted) controller.abort();
  signal?.addEventListener(
    'abort',
    () => {
      controller.abort();
    },
    { once: true },
  );
  return controller;
}
