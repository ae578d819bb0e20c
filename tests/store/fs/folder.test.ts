import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refuse } from '../../../src-main/base/errors.ts';
import { toWriteError } from '../../../src-main/store/fs/files.ts';
import {
  createPartialFolder,
  findExistingAncestor,
  removeFolder,
  writeFolder,
} from '../../../src-main/store/fs/folder.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

const listParent = (target: string): string[] =>
  existsSync(dirname(target)) ? readdirSync(dirname(target)) : [];
const createSystemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

describe('writeFolder', () => {
  it('creates the complete folder at the end', async () => {
    const target = freePath('whole');
    const result = await writeFolder(target, async (temporary) => {
      expect(dirname(temporary)).toBe(dirname(target));
      mkdirSync(join(temporary, 'inner'));
      writeFileSync(join(temporary, 'inner', 'a'), 'A');
      await Promise.resolve();
      expect(existsSync(target)).toBe(false);
      return 7;
    });
    expect(result).toBe(7);
    expect(readFileSync(join(target, 'inner', 'a'), 'utf8')).toBe('A');
    expect(listParent(target)).toEqual(['whole']);
  });

  it('leaves nothing after an exception, a refusal or an abort', async () => {
    const target = freePath('never');
    const stop = new AbortController();
    await expect(
      writeFolder(target, (t) => {
        writeFileSync(join(t, 'a'), 'A');
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    await expectAppError('data/empty', () =>
      writeFolder(target, () => refuse('data/empty', { path: 'x', tokens: 0, needed: 1 })),
    );
    await expectAppError('cancelled', () =>
      writeFolder(
        target,
        () => {
          stop.abort();
          return Promise.resolve();
        },
        { signal: stop.signal },
      ),
    );
    expect(listParent(target)).toEqual([]);
  });

  it('replaces an existing folder only with `replace`', async () => {
    const target = freshFolder('taken');
    writeFileSync(join(target, 'a'), 'old');
    await expectAppError('file/exists', () => writeFolder(target, () => Promise.resolve()));
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('old');
    const late = freePath('late');
    const folder = await createPartialFolder(late);
    mkdirSync(late);
    await expectAppError('file/exists', () => folder.commit());
    expect(listParent(late)).toEqual(['late']);
    await writeFolder(
      target,
      (t) => {
        writeFileSync(join(t, 'a'), 'new');
        return Promise.resolve();
      },
      { replace: true },
    );
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('new');
    expect(listParent(target)).toEqual(['taken']);
  });

  it('finds the nearest existing parent', async () => {
    const there = freshFolder();
    expect([
      await findExistingAncestor(there),
      await findExistingAncestor(join(there, 'a', 'b', 'c')),
      await findExistingAncestor('/'),
    ]).toEqual([there, there, '/']);
  });

  it('refuses a disk without enough free space before it writes', async () => {
    const target = freePath('large');
    const { detail } = await expectAppError('file/no-space', () =>
      createPartialFolder(target, { requiredBytes: 1000, getFreeBytes: () => Promise.resolve(999) }),
    );
    expect(detail).toEqual({ path: target, needed: 1000, free: 999 });
    expect(listParent(target)).toEqual([]);
    await (
      await createPartialFolder(target, { requiredBytes: 1000, getFreeBytes: () => Promise.resolve(1000) })
    ).abort();
    await expectAppError('file/no-space', () => createPartialFolder(target, { requiredBytes: 2 ** 60 }));
  });

  it('converts system errors to readable ones and leaves nothing when the disk fills up', async () => {
    const target = freePath('full');
    expect(
      (
        await expectAppError('file/no-space', () =>
          writeFolder(target, () => Promise.reject(createSystemError('ENOSPC'))),
        )
      ).message,
    ).toContain(`the disk of ${target} is full`);
    expect(
      (
        await expectAppError('file/unwritable', () =>
          writeFolder(target, () => Promise.reject(createSystemError('EROFS'))),
        )
      ).message,
    ).toContain('the disk is read-only');
    expect(
      (
        await expectAppError('file/unwritable', () =>
          writeFolder(target, () => Promise.reject(createSystemError('EACCES'))),
        )
      ).message,
    ).toContain('permission denied');
    expect(listParent(target)).toEqual([]);
    const { detail } = await expectAppError('file/no-space', () =>
      writeFolder(target, (t) => {
        throw toWriteError(join(t, 'model.safetensors'), createSystemError('ENOSPC'), 9);
      }),
    );
    expect(detail).toEqual({ path: join(target, 'model.safetensors'), needed: 9, free: 0 });
    const bug = new TypeError('not the disk');
    expect(toWriteError('x', bug)).toBe(bug);
  });

  it.skipIf(process.getuid?.() === 0)('refuses a parent without write permission', async () => {
    const closed = freshFolder();
    chmodSync(closed, 0o500);
    await expectAppError('file/unwritable', () => createPartialFolder(join(closed, 'x')));
  });

  it('refuses a path below a file', async () => {
    const file = join(freshFolder(), 'file');
    writeFileSync(file, '');
    await expectAppError('file/unwritable', () => createPartialFolder(join(file, 'x', 'y')));
  });

  it('takes the place of an empty folder, and of no other, if it may', async () => {
    const target = freshFolder('claimed');
    const write = (): Promise<void> =>
      writeFolder(target, (t) => Promise.resolve(writeFileSync(join(t, 'a'), 'A')), { mayBeEmpty: true });
    await write();
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('A');
    await expectAppError('file/exists', write);
    await expectAppError('file/exists', () => writeFolder(freshFolder('empty'), () => Promise.resolve()));
  });

  it.skipIf(process.platform === 'win32')('lets only its owner enter a private folder', async () => {
    const target = freePath('private');
    await writeFolder(target, () => Promise.resolve(), { isPrivate: true });
    expect(statSync(target).mode & 0o777).toBe(0o700);
  });

  it('accepts the longest names', async () => {
    for (const name of ['x'.repeat(255), 'ä'.repeat(127)]) {
      const target = freePath(name);
      await writeFolder(target, () => Promise.resolve());
      expect(listParent(target)).toEqual([name]);
      await removeFolder(target);
      expect(listParent(target)).toEqual([]);
    }
  });

  it('gives a folder its name back when the new one cannot take its place', async () => {
    const target = freshFolder('taken');
    writeFileSync(join(target, 'a'), 'old');
    const folder = await createPartialFolder(target, { replace: true });
    rmSync(folder.path, { recursive: true });
    await expect(folder.commit()).rejects.toThrow();
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('old');
    expect(listParent(target)).toEqual(['taken']);
  });
});
