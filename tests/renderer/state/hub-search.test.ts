import { expect, it } from 'vitest';
import { formatSearch, parseSearch } from '../../../src-renderer/state/hub-search.svelte.ts';

it('formats the parameters that it parses', () => {
  for (const params of [
    {},
    { q: 'oak' },
    { sort: 'likes', size: '2B', all: '1' },
    { family: 'gpt2', licence: 'mit' },
  ])
    expect(formatSearch(parseSearch(params))).toEqual(params);
});

it('replaces invalid parameters by their defaults', () => {
  expect(parseSearch({ sort: 'colour', size: 'huge' })).toMatchObject({ sort: 'downloads', size: '' });
});
