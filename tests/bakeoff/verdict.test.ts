/** @file Rankings: a winner, candidates that are not distinguishable, and the place of the source. */
import { expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { rank, type Entry } from '../../src-main/bakeoff/verdict.ts';

/** Losses of 64 windows around `level`; `own` is how much a model differs from others by chance. */
const entry = (id: string, level: number, role: Entry['role'] = 'grown', own = 0.01): Entry => ({
  id,
  role,
  losses: [0, 1].map((seed) =>
    Array.from({ length: 64 }, (_, i) => level + Math.sin(i) + own * normalAt(deriveKey(seed, id), i)),
  ),
});

it('a candidate that is better than all others is the winner', () => {
  const ranking = rank([entry('b', 2.2), entry('a', 2), entry('c', 2.4)])!;
  expect(ranking.leader).toBe('a');
  expect(ranking.best).toEqual(['a']);
  expect(ranking.rows.map(({ id, verdict }) => [id, verdict])).toEqual([
    ['a', 'leader'],
    ['b', 'worse'],
    ['c', 'worse'],
  ]);
  expect(ranking.rows[1]!.difference!.mean).toBeCloseTo(0.2, 2);
});

it('candidates whose interval contains zero are not distinguishable', () => {
  const { best, rows } = rank([entry('a', 2), entry('b', 2.0005), entry('c', 2.4)])!;
  expect([...best].sort()).toEqual(['a', 'b']);
  expect(rows.filter(({ verdict }) => verdict === 'not distinguishable')).toHaveLength(1);
});

it('the source never leads and is never among the best, also where it is better', () => {
  const { leader, best, rows } = rank([
    entry('source', 1.5, 'source'),
    entry('a', 2),
    entry('r', 5, 'random'),
  ])!;
  expect([leader, best]).toEqual(['a', ['a']]);
  expect(rows[0]).toMatchObject({ id: 'source', verdict: 'better' });
  expect(rows[0]!.difference!.high).toBeLessThan(0);
});

it('random weights can win', () => {
  expect(rank([entry('a', 4), entry('r', 3, 'random')])!.best).toEqual(['r']);
});

it('more comparisons make every interval wider', () => {
  const widthOf = (entries: readonly Entry[]): number => {
    const { low, high } = rank(entries)!.rows.find(({ id }) => id === 'b')!.difference!;
    return high - low;
  };
  const [two, four] = [2, 4].map((count) =>
    ['a', 'b', 'c', 'd'].slice(0, count).map((id, i): Entry => {
      const { losses, ...rest } = entry(id, 2 + 0.2 * i);
      return { ...rest, losses: losses.slice(0, 1) };
    }),
  );
  expect(widthOf(four!)).toBeGreaterThan(widthOf(two!));
});

it('there is no ranking without a candidate', () => {
  expect(rank([entry('source', 1.5, 'source')])).toBeUndefined();
});
