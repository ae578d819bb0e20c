import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFolder } from '../../../src-main/store/fs/browse.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('listFolder', () => {
  it('lists folders first and marks checkpoints, without hidden files and broken links', async () => {
    const dir = freshFolder();
    for (const name of ['b10', 'b9', 'a']) mkdirSync(join(dir, name));
    mkdirSync(join(dir, '.hidden'));
    writeFileSync(join(dir, 'b9', 'config.json'), '{}');
    writeFileSync(join(dir, 'A.txt'), '12345');
    symlinkSync(join(dir, 'nowhere'), join(dir, 'broken'));
    const { path, parent, entries } = await listFolder(dir);
    expect([path, parent]).toEqual([dir, join(dir, '..')]);
    expect(entries.map((e) => [e.name, e.folder, e.bytes, e.checkpoint])).toEqual([
      ['a', true, 0, false],
      ['b9', true, 0, true],
      ['b10', true, 0, false],
      ['A.txt', false, 5, false],
    ]);
    const all = await listFolder(dir, { hidden: true });
    expect(all.entries.map(({ name }) => name)).toEqual(['.hidden', 'a', 'b9', 'b10', 'A.txt']);
    expect(entries[1]!.path).toBe(join(dir, 'b9'));
    expect((await listFolder('/')).parent).toBe(null);
    await expectAppError('file/not-a-folder', () => listFolder(join(dir, 'A.txt')));
    await expectAppError('file/not-found', () => listFolder(join(dir, 'none')));
  });
});
