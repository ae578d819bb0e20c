import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refuse } from '../../../src-main/base/errors.ts';
import { isAlive, readJson, writeFailure, writeJson } from '../../../src-main/store/fs/files.ts';
import { beginFolder, standing, sweepPartials, writeFolder } from '../../../src-main/store/fs/folder.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

const deadPid = 2 ** 22 + 12_345; // above the largest number that Linux gives
const around = (target: string): string[] =>
  existsSync(dirname(target)) ? readdirSync(dirname(target)) : [];
const error = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

describe('a folder', () => {
  it('appears whole, and only at the end', async () => {
    const target = freePath('whole');
    const answer = await writeFolder(target, async (temporary) => {
      expect(dirname(temporary)).toBe(dirname(target));
      mkdirSync(join(temporary, 'inner'));
      writeFileSync(join(temporary, 'inner', 'a'), 'A');
      await Promise.resolve();
      expect(existsSync(target)).toBe(false);
      return 7;
    });
    expect(answer).toBe(7);
    expect(readFileSync(join(target, 'inner', 'a'), 'utf8')).toBe('A');
    expect(around(target)).toEqual(['whole']);
  });

  it('is not there at all after a failure, a refusal or an abort', async () => {
    const target = freePath('never');
    const stop = new AbortController();
    await expect(
      writeFolder(target, (t) => {
        writeFileSync(join(t, 'a'), 'A');
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    await refusal('data/empty', () =>
      writeFolder(target, () => refuse('data/empty', { path: 'x', tokens: 0, needed: 1 })),
    );
    await refusal('cancelled', () =>
      writeFolder(
        target,
        () => {
          stop.abort();
          return Promise.resolve();
        },
        { signal: stop.signal },
      ),
    );
    expect(around(target)).toEqual([]);
  });

  it('never takes the place of another, unless that is asked', async () => {
    const target = freshFolder('taken');
    writeFileSync(join(target, 'a'), 'old');
    await refusal('file/exists', () => writeFolder(target, () => Promise.resolve()));
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('old');
    const late = freePath('late');
    const folder = await beginFolder(late);
    mkdirSync(late);
    await refusal('file/exists', () => folder.commit());
    expect(around(late)).toEqual(['late']);
    await writeFolder(
      target,
      (t) => {
        writeFileSync(join(t, 'a'), 'new');
        return Promise.resolve();
      },
      { replace: true },
    );
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('new');
    expect(around(target)).toEqual(['taken']);
  });

  it('lies, before it is made, in the nearest that stands', async () => {
    const there = freshFolder();
    expect([await standing(there), await standing(join(there, 'a', 'b', 'c')), await standing('/')]).toEqual([
      there,
      there,
      '/',
    ]);
  });

  it('is refused before the first byte when the disk is too full', async () => {
    const target = freePath('large');
    const { detail } = await refusal('file/no-space', () =>
      beginFolder(target, { needed: 1000, free: () => Promise.resolve(999) }),
    );
    expect(detail).toEqual({ path: target, needed: 1000, free: 999 });
    expect(around(target)).toEqual([]);
    await (await beginFolder(target, { needed: 1000, free: () => Promise.resolve(1000) })).abort();
    await refusal('file/no-space', () => beginFolder(target, { needed: 2 ** 60 }));
  });

  it('says in words what the system says, and leaves nothing when the disk fills up', async () => {
    const target = freePath('full');
    expect(
      (await refusal('file/no-space', () => writeFolder(target, () => Promise.reject(error('ENOSPC')))))
        .message,
    ).toContain(`the disk of ${target} is full`);
    expect(
      (await refusal('file/unwritable', () => writeFolder(target, () => Promise.reject(error('EROFS')))))
        .message,
    ).toContain('the disk is read-only');
    expect(
      (await refusal('file/unwritable', () => writeFolder(target, () => Promise.reject(error('EACCES')))))
        .message,
    ).toContain('permission denied');
    expect(around(target)).toEqual([]);
    const { detail } = await refusal('file/no-space', () =>
      writeFolder(target, (t) => {
        throw writeFailure(join(t, 'model.safetensors'), error('ENOSPC'), 9);
      }),
    );
    expect(detail).toEqual({ path: join(target, 'model.safetensors'), needed: 9, free: 0 });
    const bug = new TypeError('not the disk');
    expect(writeFailure('x', bug)).toBe(bug);
  });

  it.skipIf(process.getuid?.() === 0)('in a place without permission is refused', async () => {
    const closed = freshFolder();
    chmodSync(closed, 0o500);
    await refusal('file/unwritable', () => beginFolder(join(closed, 'x')));
  });

  it('below a file is refused', async () => {
    const file = join(freshFolder(), 'file');
    writeFileSync(file, '');
    await refusal('file/unwritable', () => beginFolder(join(file, 'x', 'y')));
  });

  it("left behind by a dead process is swept; a live one's stays", async () => {
    const parent = freshFolder();
    const live = `.a.partial-${process.pid}-0-99`;
    const dead = `.a.partial-${deadPid}-0-1`;
    const other = `.b.partial-${deadPid}-0-1`;
    expect(isAlive(deadPid)).toBe(false);
    for (const name of [live, dead, other, '.hidden', `${dead}-old`]) mkdirSync(join(parent, name));
    await writeFolder(join(parent, 'a'), () => Promise.resolve());
    expect(readdirSync(parent).sort()).toEqual([live, other, '.hidden', 'a'].sort());
    expect(await sweepPartials(parent)).toEqual([join(parent, other)]);
  });
});

describe('a small file', () => {
  it('is replaced whole', async () => {
    const path = join(freshFolder(), 'a.json');
    await Promise.all(Array.from({ length: 20 }, (_, i) => writeJson(path, { i, fill: 'x'.repeat(10_000) })));
    expect(await readJson(path)).toMatchObject({ fill: 'x'.repeat(10_000) });
    expect(readdirSync(dirname(path))).toEqual(['a.json']);
  });
});
