import { describe, expect, it } from 'vitest';
import { gzipSync } from 'node:zlib';
import { expectAppError } from '../../support/expect-app-error.ts';
import { readDocuments, writeTextFile } from './samples.ts';

describe('readCsvColumn', () => {
  it('reads a column of quoted and plain fields, with any line break', async () => {
    const text =
      '\ufeffid,text,n\r\n1,"a ""quoted"", text\nof two lines",x\r\n\r\n2,plain é,y\r\n3,,z\n4,last,';
    const leftOut = { missing: 0, empty: 0 };
    const expected = ['a "quoted", text\nof two lines', 'plain é', 'last'];
    expect(await readDocuments(writeTextFile(text, 'csv'), undefined, leftOut)).toEqual(expected);
    expect(leftOut).toEqual({ missing: 0, empty: 1 });
    expect(await readDocuments(writeTextFile(gzipSync(text), 'csv.gz'))).toEqual(expected);
    expect(await readDocuments(writeTextFile(text, 'csv'), 'id')).toEqual(['1', '2', '3', '4']);
  });

  it('reads tabs in .tsv and only there', async () => {
    expect(await readDocuments(writeTextFile('n\ttext\n1\ta, b\n2\tc\n', 'tsv'))).toEqual(['a, b', 'c']);
    const { detail } = await expectAppError('data/no-column', () =>
      readDocuments(writeTextFile('n\ttext\n1\ta\n', 'csv')),
    );
    expect(detail).toMatchObject({ column: 'text', found: ['n\ttext'] });
  });

  it('refuses rows that do not fit the first, and a quotation mark without a partner', async () => {
    const refuse = async (text: string): Promise<string> =>
      (await expectAppError('data/bad-line', () => readDocuments(writeTextFile(text, 'csv')))).message;
    expect(await refuse('id,text\n1,a\n2\n')).toContain('line 3: it has another number of fields');
    expect(await refuse('id,text\n1,a,b\n')).toContain('line 2: it has another number of fields');
    expect(await refuse('id,text\n1,"a\n2,b\n')).toContain('a quotation mark has no partner');
    await expectAppError('data/bad-line', () => readDocuments(writeTextFile('id,text\n1,"a" b\n', 'csv')));
  });

  it('refuses a file without the column, with those that there are', async () => {
    const { detail } = await expectAppError('data/no-column', () =>
      readDocuments(writeTextFile('a,b\n1,2\n', 'csv')),
    );
    expect(detail).toMatchObject({ column: 'text', found: ['a', 'b'] });
    expect(await readDocuments(writeTextFile('', 'csv'))).toEqual([]);
  });
});
