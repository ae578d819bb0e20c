import { expect, it } from 'vitest';
import { firstReach } from '../../src-main/train/reached.ts';

it('interpolates where a curve first reaches a loss', () => {
  const curve = [
    { x: 0, loss: 5 },
    { x: 100, loss: 3 },
    { x: 200, loss: 1 },
  ];
  expect([
    firstReach(curve, 6),
    firstReach(curve, 4),
    firstReach(curve, 1),
    firstReach(curve, 0.5),
    firstReach([], 1),
  ]).toEqual([0, 50, 200, null, null]);
});
