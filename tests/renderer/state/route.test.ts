import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pageNames, parseRoute, linkTo } from '../../../src-renderer/state/route.svelte.ts';

it('parses the links that it creates, for any parameters', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...pageNames),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: 'grapheme' })),
      (page, params) => {
        expect(parseRoute(linkTo(page, params))).toEqual({ page, params: { ...params } });
      },
    ),
  );
});
it('parses an unknown page as the library', () => {
  for (const hash of ['', '#', '#/', '#/nonsense?x=1', '#token=abc'])
    expect(parseRoute(hash).page).toBe('library');
});
it('keeps paths with spaces, ampersands and backslashes', () => {
  const dir = 'C:\\my models\\a&b #1';
  expect(parseRoute(linkTo('checkpoint', { dir })).params['dir']).toBe(dir);
});
