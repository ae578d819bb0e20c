import { describe, expect, it } from 'vitest';
import { parseRepo } from '../../../src-main/store/hub/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';

describe('parseRepo', () => {
  it('parses names and URLs with a revision, and refuses names that are unsafe as paths', async () => {
    expect(parseRepo('org/name@main')).toEqual({ repo: 'org/name', revision: 'main' });
    expect(parseRepo(' https://huggingface.co/org/name/ ')).toEqual({
      repo: 'org/name',
      revision: undefined,
    });
    expect(parseRepo('name').repo).toBe('name');
    for (const bad of [
      '',
      '../x',
      'a/b/c',
      'a/..',
      'a b/c',
      'a--b/c',
      'org/name@../x',
      'org/na\\me',
      'org/x.git',
      'org/name@',
    ])
      await expectAppError('hub/bad-name', () => parseRepo(bad));
  });
});
