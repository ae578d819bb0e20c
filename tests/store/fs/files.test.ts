import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJson, writeJson } from '../../../src-main/store/fs/files.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('writeJson', () => {
  it('replaces a file atomically, also when several writes overlap', async () => {
    const path = join(freshFolder(), 'a.json');
    await Promise.all(Array.from({ length: 20 }, (_, i) => writeJson(path, { i, fill: 'x'.repeat(10_000) })));
    expect(await readJson(path)).toMatchObject({ fill: 'x'.repeat(10_000) });
    expect(readdirSync(dirname(path))).toEqual(['a.json']);
  });
});
