/** @file Signals that say stop, where there is no AbortSignal. */

/** The part of AbortSignal that is used; the std layers have no DOM. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface Aborter {
  readonly signal: AbortSignalLike;
  abort(): void;
}

/** A signal and the switch that sets it off, once. */
export function aborter(): Aborter {
  const listeners = new Set<() => void>();
  const state = { aborted: false };
  return {
    signal: {
      get aborted() {
        return state.aborted;
      },
      addEventListener(_type, listener) {
        listeners.add(listener);
      },
      removeEventListener(_type, listener) {
        listeners.delete(listener);
      },
    },
    abort() {
      if (state.aborted) return;
      state.aborted = true;
      for (const listener of listeners) listener();
      listeners.clear();
    },
  };
}

/** Never aborted. */
export const deaf: AbortSignalLike = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

/** Aborted as soon as any of `signals` is. */
export function anyOf(...signals: readonly AbortSignalLike[]): AbortSignalLike {
  const { signal, abort } = aborter();
  for (const one of signals) {
    if (one.aborted) abort();
    one.addEventListener('abort', abort, { once: true });
  }
  return signal;
}
