import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findDataFiles, getDataFormat } from '../../../src-main/store/data/dataset-files.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

/** Creates a folder with these files; each holds its own name. */
function createFolder(files: readonly string[]): string {
  const dir = freshFolder();
  for (const file of files) {
    mkdirSync(join(dir, dirname(file)), { recursive: true });
    writeFileSync(join(dir, file), file);
  }
  return dir;
}

/** The data files of `path`, relative to `dir`. */
const findNames = async (dir: string, path = dir): Promise<string[]> =>
  (await findDataFiles(path)).map((file) => file.slice(dir.length + 1).replaceAll('\\', '/'));

describe('findDataFiles', () => {
  it('finds a file, the matches of a pattern, and the text files of a folder', async () => {
    const dir = createFolder(['b.txt', 'a.txt', 'notes/c.md', 'image.png', '.hidden.txt']);
    expect(await findNames(dir, join(dir, 'b.txt'))).toEqual(['b.txt']);
    expect(await findNames(dir, join(dir, '*.txt'))).toEqual(['a.txt', 'b.txt']);
    expect(await findNames(dir, join(dir, '**/*.{md,txt}'))).toEqual(['a.txt', 'b.txt', 'notes/c.md']);
    expect(await findNames(dir)).toEqual(['a.txt', 'b.txt', 'notes/c.md']);
  });

  it('finds the training split of a dataset, without its README', async () => {
    const train = ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'];
    const others = [
      'README.md',
      'data/validation-00000-of-00001.parquet',
      'data/test-00000-of-00001.parquet',
    ];
    expect(await findNames(createFolder([...others, ...train]))).toEqual(train);
    const files = createFolder(['README.md', 'train.jsonl', 'test.jsonl.gz']);
    expect(await findNames(files)).toEqual(['train.jsonl']);
    const parts = createFolder(['x/part-0.jsonl.zst', 'x/part-1.jsonl.zst', 'LICENSE']);
    expect(await findNames(parts)).toEqual(['x/part-0.jsonl.zst', 'x/part-1.jsonl.zst']);
    const folders = createFolder(['train/0.jsonl', 'eval/0.jsonl', 'restrain.jsonl']);
    expect(await findNames(folders)).toEqual(['train/0.jsonl']);
  });

  it('refuses missing files, Arrow files, and a folder with several configurations', async () => {
    const several = createFolder(['de/train-0.parquet', 'en/train-0.parquet']);
    const { detail } = await expectAppError('data/several-configs', () => findDataFiles(several));
    expect(detail).toMatchObject({ names: ['de', 'en'] });
    expect(await findNames(several, join(several, 'en'))).toEqual(['en/train-0.parquet']);
    const arrow = createFolder(['state.json', 'data-00000-of-00001.arrow']);
    await expectAppError('data/arrow', () => findDataFiles(arrow));
    await expectAppError('data/no-files', () => findDataFiles(createFolder(['a.png'])));
    await expectAppError('data/no-files', () => findDataFiles(join(freshFolder(), '*.txt')));
    await expectAppError('file/not-found', () => findDataFiles(join(freshFolder(), 'gone.txt')));
  });
});

describe('getDataFormat', () => {
  it('ignores the extension of the compression', () => {
    expect(['a.JSONL.gz', 'b.txt.zst', 'c.parquet', 'd.gz', 'e'].map(getDataFormat)).toEqual([
      '.jsonl',
      '.txt',
      '.parquet',
      '',
      '',
    ]);
  });
});
