import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateAlignedShared,
  getDirectReadCapacity,
  readDirect,
} from '../../../src-main/store/fs/direct-io.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

const path = `${freshFolder()}/file`;
const size = (20 << 20) + 777;
const content = Uint8Array.from({ length: size }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255);
const memory = allocateAlignedShared(getDirectReadCapacity(size))!;
writeFileSync(path, content);

async function isReadCorrectly(start: number, bytes: number): Promise<boolean> {
  const read = await readDirect(path, start, bytes, memory);
  return Buffer.compare(read, content.subarray(start, start + bytes)) === 0;
}

describe('readDirect', () => {
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
  ])('reads from byte %i on, %i bytes', async (start, bytes) =>
    expect(await isReadCorrectly(start, bytes)).toBe(true),
  );

  it('reads any range', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(size), fc.nat(size), async (a, b) => {
        expect(await isReadCorrectly(Math.min(a, b), Math.abs(a - b))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses a file that ends earlier, and one that does not exist', async () => {
    const { detail } = await expectAppError('safetensors/truncated', () =>
      readDirect(path, size - 10, 11, memory),
    );
    expect(detail).toMatchObject({ path });
    await expectAppError('file/not-found', () => readDirect(`${path}-none`, 0, 1, memory));
  });
});
