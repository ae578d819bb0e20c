/** @file What growths promise, alone and in a row. */
import { describe, expect, it } from 'vitest';
import { promiseKinds, promiseLabels, upgradePromise, weakestPromise } from '../../src-main/model/promise.ts';

describe('the promise of several growths', () => {
  it.each([
    [[], 'function-preserving'],
    [['function-preserving', 'function-preserving'], 'function-preserving'],
    [['function-preserving', 'old-logits'], 'old-logits'],
    [['old-logits', 'function-preserving', 'old-logits'], 'old-logits'],
    [['old-logits', 'none', 'function-preserving'], 'none'],
  ] as const)('of %j is %s', (kinds, expected) => {
    expect(weakestPromise(kinds)).toBe(expected);
  });
});

it('has different words for each kind', () => {
  expect(new Set(Object.values(promiseLabels)).size).toBe(promiseKinds.length);
});

describe('a promise of earlier versions', () => {
  it.each([
    ['exact', ['hypercloning'], 'function-preserving'],
    ['exact', ['vocab'], 'old-logits'],
    ['exact', ['identity', 'vocab'], 'old-logits'],
    ['approximate', ['vocab', 'stack'], 'none'],
    ['none', ['stack'], 'none'],
    [undefined, [], undefined],
  ] as const)('%s of %j is %s', (kind, methods, expected) => {
    expect(upgradePromise(kind, methods)).toBe(expected);
  });
});
