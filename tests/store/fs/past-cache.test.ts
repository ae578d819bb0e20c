/** @file What is read past the cache is what stands in the file, wherever it begins and ends. */
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { alignedShared, readPastCache, roomFor } from '../../../src-main/store/fs/past-cache.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';

const path = `${freshFolder()}/file`;
const size = (20 << 20) + 777;
const content = Uint8Array.from({ length: size }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255);
const memory = alignedShared(roomFor(size))!;
writeFileSync(path, content);
const same = async (start: number, bytes: number): Promise<boolean> =>
  Buffer.compare(await readPastCache(path, start, bytes, memory), content.subarray(start, start + bytes)) ===
  0;

it.each([
  [0, size],
  [0, 4096],
  [4096, 8 << 20],
  [1, (8 << 20) - 1],
  [4095, 2],
  [size - 1, 1],
  [size - 778, 778],
  [12_345, 9 << 20],
  [4096, 0],
])('%i, %i bytes', async (start, bytes) => expect(await same(start, bytes)).toBe(true));
it('anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(size), fc.nat(size), async (a, b) => {
      expect(await same(Math.min(a, b), Math.abs(a - b))).toBe(true);
    }),
    { numRuns: 40 },
  );
});
it('a file that ends before is refused, and one that is not there', async () => {
  expect(
    (await refusal('safetensors/truncated', () => readPastCache(path, size - 10, 11, memory))).detail,
  ).toMatchObject({ path });
  await refusal('file/not-found', () => readPastCache(`${path}-none`, 0, 1, memory));
});
