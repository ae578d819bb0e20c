import { expect, it } from 'vitest';
import { describeLeftOutFiles, describeLeftOutRecords } from '../../src-main/contract/left-out.ts';

it('says how many records were left out, by reason', () => {
  expect(describeLeftOutRecords({ missing: 0, empty: 0 })).toBeUndefined();
  expect(describeLeftOutRecords({ missing: 1, empty: 0 })).toBe('Left out: 1 record without the field.');
  expect(describeLeftOutRecords({ missing: 2, empty: 3 })).toBe(
    'Left out: 2 records without the field, 3 records with an empty text.',
  );
});

it('names the first files that were left out', () => {
  const counts = { files: 1, documents: 1, tokens: 1, bytes: 1, share: 1 };
  const leftOutFiles = [
    { why: 'another format', names: ['a.md'] },
    { why: 'not the training split', names: ['b', 'c', 'd', 'e'] },
  ];
  expect(describeLeftOutFiles({ path: '/data', ...counts, leftOutFiles })).toEqual([
    'Left out of /data: 1 file, another format (a.md).',
    'Left out of /data: 4 files, not the training split (b, c, d, …).',
  ]);
});
