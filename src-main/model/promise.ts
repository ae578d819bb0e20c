/** @file What a growth promises to preserve. */

/**
 * From strong to weak. `function-preserving`: all logits are equal in exact arithmetic, and with them the
 * probabilities. `old-logits`: the logits of the source's tokens are equal, but new tokens take a share of every
 * softmax. `none`: nothing is promised.
 */
export const promiseKinds = ['function-preserving', 'old-logits', 'none'] as const;
export type PromiseKind = (typeof promiseKinds)[number];

/** In the words of page, command line and model cards. */
export const promiseLabels: Readonly<Record<PromiseKind, string>> = {
  'function-preserving': 'function-preserving',
  'old-logits': 'logits of old tokens preserved',
  none: 'not function-preserving',
};

/** What several growths in a row preserve: what the weakest of them does. */
export const weakestPromise = (kinds: readonly PromiseKind[]): PromiseKind =>
  promiseKinds[Math.max(0, ...kinds.map((kind) => promiseKinds.indexOf(kind)))]!;

/** The method that kept the logits of old tokens when there were two kinds of promises. */
const vocabularyMethod = 'vocab';

/**
 * The kind of promise of a growth by these methods, from a file of an earlier version, which had `exact` and
 * `approximate`. Any other value is returned as it is.
 */
export function upgradePromise(kind: unknown, methods: readonly unknown[]): unknown {
  if (kind === 'approximate') return 'none' satisfies PromiseKind;
  if (kind !== 'exact') return kind;
  const upgraded: PromiseKind = methods.includes(vocabularyMethod) ? 'old-logits' : 'function-preserving';
  return upgraded;
}
