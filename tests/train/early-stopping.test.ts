import { describe, expect, it } from 'vitest';
import { addEvaluation, isPatienceSpent, type EarlyStopping } from '../../src-main/train/early-stopping.ts';

/** The state after these losses, at steps 0, 10, 20 and so on. */
const after = (losses: readonly number[], earlyStoppingThreshold = 0): EarlyStopping | undefined => {
  const settings = { earlyStoppingPatience: 1, earlyStoppingThreshold };
  return losses.reduce<EarlyStopping | undefined>(
    (state, loss, i) => addEvaluation(state, { step: 10 * i, loss }, settings),
    undefined,
  );
};

describe('addEvaluation', () => {
  it('keeps the lowest loss and counts the evaluations since', () => {
    expect(after([3])).toEqual({ best: 3, bestStep: 0, evaluations: 0 });
    expect(after([3, 2, 2.5, 2])).toEqual({ best: 2, bestStep: 10, evaluations: 2 });
    expect(after([3, 2, 2.5, 1.9])).toEqual({ best: 1.9, bestStep: 30, evaluations: 0 });
  });

  it('counts an improvement only beyond the threshold, and adds up smaller ones', () => {
    expect(after([3, 2.95, 2.92], 0.1)).toEqual({ best: 3, bestStep: 0, evaluations: 2 });
    expect(after([3, 2.95, 2.92, 2.89], 0.1)).toEqual({ best: 2.89, bestStep: 30, evaluations: 0 });
    expect(after([3, 2.9], 0.1)).toMatchObject({ evaluations: 1 });
  });

  it('takes a loss that is not finite for no improvement', () => {
    expect(after([3, NaN, Infinity])).toEqual({ best: 3, bestStep: 0, evaluations: 2 });
  });
});

describe('isPatienceSpent', () => {
  const state = { best: 1, bestStep: 0, evaluations: 3 };
  const settings = (earlyStoppingPatience: number) => ({ earlyStoppingPatience, earlyStoppingThreshold: 0 });

  it.each([
    [4, false],
    [3, true],
    [1, true],
    [0, false],
  ])('with patience %i after 3 evaluations is %s', (patience, expected) => {
    expect(isPatienceSpent(state, settings(patience))).toBe(expected);
  });

  it('is false before the first evaluation', () => {
    expect(isPatienceSpent(undefined, settings(1))).toBe(false);
  });
});
