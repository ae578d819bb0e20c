import { expect, it } from 'vitest';
import { verdictOf } from '../../src-main/cost/memory.ts';

it.each([
  [1, 10, 'fits'],
  [9.5, 10, 'tight'],
  [11, 10, 'does not fit'],
  [1, null, 'unknown'],
] as const)('says of %d bytes with a capacity of %s: %s', (bytes, capacity, verdict) => {
  expect(verdictOf(bytes, capacity)).toBe(verdict);
});
