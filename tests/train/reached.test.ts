import { expect, it } from 'vitest';
import { reached } from '../../src-main/train/reached.ts';

it('says where a curve comes down to a loss, between its points', () => {
  const curve = [
    { x: 0, loss: 5 },
    { x: 100, loss: 3 },
    { x: 200, loss: 1 },
  ];
  expect([
    reached(curve, 6),
    reached(curve, 4),
    reached(curve, 1),
    reached(curve, 0.5),
    reached([], 1),
  ]).toEqual([0, 50, 200, null, null]);
});
