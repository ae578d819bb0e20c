/** @file Signals that say stop: the contract's, the process's own and Node's. */
import { aborter, type AbortSignalLike } from '../contract/rpc.ts';

/** Never aborted. */
export const deaf: AbortSignalLike = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

/** Aborted as soon as any of `signals` is. */
export function anyOf(...signals: readonly AbortSignalLike[]): AbortSignalLike {
  const { signal, abort } = aborter();
  for (const one of signals) {
    if (one.aborted) abort();
    one.addEventListener('abort', abort, { once: true });
  }
  return signal;
}

/** The same as Node's own class, for what wants that. */
export function nativeSignal(signal: AbortSignalLike): AbortSignal {
  const controller = new AbortController();
  if (signal.aborted) controller.abort();
  signal.addEventListener('abort', () => { controller.abort(); }, { once: true });
  return controller.signal;
}
