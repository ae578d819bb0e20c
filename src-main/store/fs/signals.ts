/** @file Node's own kind of signal, for what wants that. */
import type { AbortSignalLike } from '../../base/signals.ts';

/** A controller that aborts with `signal`, and for reasons of its owner's. */
export function controllerOf(signal: AbortSignalLike | undefined): AbortController {
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
