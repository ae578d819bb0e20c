import { expect, it } from 'vitest';
import { ageOf, factsOf, pricesOf } from '../../src-main/cost/book.ts';
import { book } from './subjects.ts';

it('finds the device with the most matching words, and none for an unknown name', () => {
  expect(factsOf(book, 'NVIDIA Small-Card Plus (rev 2)')?.id).toBe('small-plus');
  expect(factsOf(book, 'small card')?.id).toBe('small');
  expect(factsOf(book, 'Large Card')).toBeUndefined();
  expect(factsOf(book, 'Smaller Card')).toBeUndefined();
  expect(factsOf(book, 'small card', 'cpu')).toBeUndefined();
});

it('sorts prices by cost, and counts the days since a price was read', () => {
  expect(pricesOf(book, 'small-plus').map((p) => p.provider)).toEqual(['B', 'A']);
  expect(ageOf({ date: '2026-11-01' }, '2026-11-21T10:00:00Z')).toBe(20);
});
