/** @file Abort signals for the layers without DOM types. */

/** The part of AbortSignal that Cambium uses. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface Aborter {
  readonly signal: AbortSignalLike;
  abort(): void;
}

/** Like `new AbortController()`; `abort` needs no `this`. */
export function createAborter(): Aborter {
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

/** A signal that is never aborted. */
export const neverAborts: AbortSignalLike = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

/** A signal that is aborted as soon as any of `signals` is, like AbortSignal.any. */
export function anySignal(...signals: readonly AbortSignalLike[]): AbortSignalLike {
  const { signal, abort } = createAborter();
  for (const source of signals) {
    if (source.aborted) abort();
    source.addEventListener('abort', abort, { once: true });
  }
  return signal;
}
