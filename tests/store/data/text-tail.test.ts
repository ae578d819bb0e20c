import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readTail } from '../../../src-main/store/data/text-tail.ts';
import { freshFolder } from '../../support/temporary.ts';

it('reads complete lines from the end of a file', async () => {
  const folder = freshFolder();
  const path = join(folder, 'log');
  writeFileSync(path, Array.from({ length: 100 }, (_, i) => `line ${i}`).join('\n'));
  expect(await readTail(path, 20)).toBe('line 98\nline 99');
  expect(await readTail(path, 1e6)).toMatch(/^line 0\n/);
  expect(await readTail(join(folder, 'none'), 10)).toBe('');
});
