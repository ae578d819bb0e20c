/** @file Large files written past the cache have every byte in its place, whatever the pieces. */
import { readFileSync, existsSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createSequential } from '../../../src-main/store/fs/sequential-file.ts';
import { freshFolder } from '../../support/temporary.ts';

const dir = freshFolder();
let files = 0;

/** Long enough to go past the cache: five pieces of 8 MiB and a rest. */
const long = 5 * (8 << 20) + 12_345;
const content = Uint8Array.from({ length: long }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255);

async function written(lengths: readonly number[], size: number): Promise<Uint8Array> {
  const path = `${dir}/${files++}`;
  const file = await createSequential(path, size);
  for (let at = 0, n = 0; at < size; n++) {
    const chunk = content.slice(at, Math.min(size, at + lengths[n % lengths.length]!));
    await file.write(chunk);
    at += chunk.length;
    chunk.fill(0); // it is the caller's again
  }
  await file.finish();
  return readFileSync(path);
}

it.each([long, 4 * (8 << 20), 4 * (8 << 20) + 1, 4 * (8 << 20) + 4096, 1000, 1, 0])(
  '%i bytes, whole and in pieces',
  async (size) => {
    for (const lengths of [[Math.max(1, size)], [3_000_001, 17]])
      expect(Buffer.compare(await written(lengths, size), content.subarray(0, size))).toBe(0);
  },
);

it('any pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 300_000, max: 20_000_000 }), { minLength: 1, maxLength: 5 }),
      async (lengths) => {
        expect(Buffer.compare(await written(lengths, long), content)).toBe(0);
      },
    ),
    { numRuns: 5 },
  );
});

it('a file that is there stays as it is, and an abandoned one is closed', async () => {
  const path = `${dir}/there`;
  writeFileSync(path, 'mine');
  for (const size of [10, long])
    await expect(createSequential(path, size)).rejects.toMatchObject({ code: 'EEXIST' });
  expect(readFileSync(path, 'utf8')).toBe('mine');
  const file = await createSequential(`${dir}/left`, long);
  await file.write(content.subarray(0, 20 << 20));
  await file.abort();
  expect(existsSync(`${dir}/left`)).toBe(true);
});
