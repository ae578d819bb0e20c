import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pageNames, parseRoute, routeTo } from '../../../src-renderer/state/route.svelte.ts';

it('reads what it writes, for any parameter', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...pageNames),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: 'grapheme' })),
      (page, at) => {
        expect(parseRoute(routeTo(page, at))).toEqual({ page, at: { ...at } });
      },
    ),
  );
});
it('takes anything else for the library', () => {
  for (const hash of ['', '#', '#/', '#/nonsense?x=1', '#token=abc'])
    expect(parseRoute(hash).page).toBe('library');
});
it('keeps paths with spaces, ampersands and backslashes', () => {
  const dir = 'C:\\my models\\a&b #1';
  expect(parseRoute(routeTo('checkpoint', { dir })).at['dir']).toBe(dir);
});
