/** @file Arithmetic of shapes. */
import { describe, expect, it } from 'vitest';
import {
  broadcastShape,
  broadcastsTo,
  inversePermutation,
  normalizeAxes,
  normalizeAxis,
  reduceShape,
  resolveShape,
} from '../../src-main/graph/shapes.ts';

describe('broadcastShape', () => {
  it('aligns shapes at the last axis and repeats axes of size 1', () => {
    expect(broadcastShape([2, 3], [3])).toEqual([2, 3]);
    expect(broadcastShape([2, 1], [1, 3])).toEqual([2, 3]);
    expect(broadcastShape([], [2])).toEqual([2]);
  });

  it('is undefined for sizes that differ', () => {
    expect(broadcastShape([2, 3], [2])).toBeUndefined();
  });
});

describe('broadcastsTo', () => {
  it('requires exactly the given shape', () => {
    expect(broadcastsTo([1, 3], [2, 3])).toBe(true);
    expect(broadcastsTo([2, 3], [1, 3])).toBe(false);
  });
});

describe('normalizeAxis', () => {
  it('counts negative axes from the end and returns -1 out of range', () => {
    expect([-1, 0, 2, 3, -4].map((axis) => normalizeAxis(axis, 3))).toEqual([2, 0, 2, -1, -1]);
  });
});

describe('normalizeAxes', () => {
  it('sorts the axes and defaults to all of them', () => {
    expect(normalizeAxes(3, [-1, 0])).toEqual([0, 2]);
    expect(normalizeAxes(3)).toEqual([0, 1, 2]);
  });
});

describe('reduceShape', () => {
  it('removes the axes or keeps them at size 1', () => {
    expect(reduceShape([2, 3, 4], [0, 2], false)).toEqual([3]);
    expect(reduceShape([2, 3, 4], [0, 2], true)).toEqual([1, 3, 1]);
  });
});

describe('resolveShape', () => {
  it('computes the size that is -1', () => {
    expect(resolveShape([2, -1], 6)).toEqual([2, 3]);
    expect(resolveShape([2, 3], 6)).toEqual([2, 3]);
  });

  it('is undefined for another element count or two unknown sizes', () => {
    expect(resolveShape([4, -1], 6)).toBeUndefined();
    expect(resolveShape([2, 2], 6)).toBeUndefined();
    expect(resolveShape([-1, -1], 1)).toBeUndefined();
  });
});

describe('inversePermutation', () => {
  it('undoes a permutation', () => {
    const perm = [2, 0, 1];
    expect(inversePermutation(perm).map((i) => perm[i])).toEqual([0, 1, 2]);
  });
});
