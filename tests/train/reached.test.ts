import { describe, expect, it } from 'vitest';
import { firstReach } from '../../src-main/train/reached.ts';

describe('firstReach', () => {
  const curve = [
    { x: 0, loss: 5 },
    { x: 100, loss: 3 },
    { x: 200, loss: 1 },
  ];

  it.each([
    [6, 0],
    [4, 50],
    [1, 200],
    [0.5, null],
  ])('of a loss of %d is %s, interpolated between points', (loss, x) => {
    expect(firstReach(curve, loss)).toBe(x);
  });

  it('of an empty curve is null', () => {
    expect(firstReach([], 1)).toBe(null);
  });
});
