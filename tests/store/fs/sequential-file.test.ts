import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSequentialFile } from '../../../src-main/store/fs/sequential-file.ts';
import { freshFolder } from '../../support/temporary.ts';

const dir = freshFolder();
let files = 0;

/** Long enough for direct I/O: five buffers of 8 MiB and a rest. */
const longSize = 5 * (8 << 20) + 12_345;
const content = Uint8Array.from({ length: longSize }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255);

/** Writes the first `size` bytes of `content` in chunks of these lengths, and reads the file back. */
async function writeInChunks(lengths: readonly number[], size: number): Promise<Uint8Array> {
  const path = `${dir}/${files++}`;
  const file = await createSequentialFile(path, size);
  for (let at = 0, n = 0; at < size; n++) {
    const chunk = content.slice(at, Math.min(size, at + lengths[n % lengths.length]!));
    await file.write(chunk);
    at += chunk.length;
    chunk.fill(0); // the caller may reuse its chunk
  }
  await file.finish();
  return readFileSync(path);
}

describe('createSequentialFile', () => {
  it.each([longSize, 4 * (8 << 20), 4 * (8 << 20) + 1, 4 * (8 << 20) + 4096, 1000, 1, 0])(
    'writes %i bytes, in one chunk and in several',
    async (size) => {
      for (const lengths of [[Math.max(1, size)], [3_000_001, 17]]) {
        const written = await writeInChunks(lengths, size);
        expect(Buffer.compare(written, content.subarray(0, size))).toBe(0);
      }
    },
  );

  it('writes the same bytes for chunks of any length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 300_000, max: 20_000_000 }), { minLength: 1, maxLength: 5 }),
        async (lengths) => {
          expect(Buffer.compare(await writeInChunks(lengths, longSize), content)).toBe(0);
        },
      ),
      { numRuns: 5 },
    );
  });

  it('keeps an existing file, and closes an aborted one', async () => {
    const path = `${dir}/there`;
    writeFileSync(path, 'mine');
    for (const size of [10, longSize])
      await expect(createSequentialFile(path, size)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    const file = await createSequentialFile(`${dir}/left`, longSize);
    await file.write(content.subarray(0, 20 << 20));
    await file.abort();
    expect(existsSync(`${dir}/left`)).toBe(true);
  });
});
