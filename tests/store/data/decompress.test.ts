/** @file Packed files are read to their last byte: every member and frame, or an error. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { streamBytes } from '../../../src-main/store/data/decompress.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { readDocuments } from './samples.ts';

const packed = join(import.meta.dirname, '../../fixtures/text/packed');

function write(name: string, ...parts: readonly (Buffer | string)[]): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(part))));
  return path;
}

async function read(path: string, options?: Parameters<typeof streamBytes>[1]): Promise<string> {
  const blocks: Buffer[] = [];
  for await (const block of streamBytes(path, options)) blocks.push(block);
  return Buffer.concat(blocks).toString();
}

/** Random-looking bytes as text, which do not get much smaller. */
const noise = (length: number, seed: number): string =>
  Array.from({ length }, (_, i) => (Math.imul(i + seed, 2_654_435_761) >>> 9).toString(36)).join('');
/** A frame that a decompressor skips. */
const skippable = (length: number): Buffer =>
  Buffer.concat([
    Buffer.from([0x53, 0x2a, 0x4d, 0x18]),
    Buffer.from(Uint32Array.of(length).buffer),
    Buffer.alloc(length),
  ]);

describe.each([
  ['gz', gzipSync],
  ['zst', zstdCompressSync],
] as const)('streamBytes of .%s', (extension, compress) => {
  const parts = [noise(5, 1), '', noise(20_000, 2), 'x'.repeat(300_000), noise(90_000, 3)];

  it('reads all members or frames, wherever they end', async () => {
    for (let padding = 0; padding < 40; padding++) {
      // The first part moves the ends of the others across the boundaries of reads.
      const all = [noise(12_000 + padding, 4), ...parts];
      const path = write(`a.${extension}`, ...all.map((part) => compress(part)));
      expect((await read(path)) === all.join('')).toBe(true);
    }
  });

  it('reads many small ones', async () => {
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}\n`);
    const path = write(`a.${extension}`, ...lines.map((line) => compress(line)));
    expect(await read(path)).toBe(lines.join(''));
  });

  it('refuses a file that is cut off at any byte, empty, damaged, or followed by something else', async () => {
    const whole = Buffer.concat([compress('first part '.repeat(9)), compress(noise(100, 1))]);
    const first = compress('first part '.repeat(9)).length;
    for (let length = 0; length < whole.length; length++) {
      const path = write(`a.${extension}`, whole.subarray(0, length));
      // Behind the first member or frame the file is complete.
      if (length === first) expect(await read(path)).toBe('first part '.repeat(9));
      else await expectAppError('file/bad-packing', () => read(path));
    }
    for (const rest of ['garbage', '\0\0x', 'x', Buffer.from([0x1f]), Buffer.from([0x28, 0xb5])]) {
      const path = write(`a.${extension}`, whole, rest);
      await expectAppError('file/bad-packing', () => read(path));
    }
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 3]! ^= 0xff;
    await expectAppError('file/bad-packing', () => read(write(`a.${extension}`, 'not packed')));
    if (extension === 'gz') await expectAppError('file/bad-packing', () => read(write('a.gz', damaged)));
  });

  it('refuses a file that unpacks to far more than its size', async () => {
    const path = write(`a.${extension}`, compress('0'.repeat(30_000_000)));
    const ratio = 30_000_000 / readFileSync(path).length;
    expect((await read(path)).length).toBe(30_000_000);
    if (ratio > 1000) await expectAppError('file/bomb', () => read(path, { maxUnpackedBytes: 1_000_000 }));
    else expect((await read(path, { maxUnpackedBytes: 1_000_000 })).length).toBe(30_000_000);
    const normal = write(`b.${extension}`, compress(noise(500_000, 1)));
    expect((await read(normal, { maxUnpackedBytes: 1000 })).length).toBeGreaterThan(1_000_000);
  });

  it('reports the bytes of the file up to its size', async () => {
    const path = write(`a.${extension}`, ...parts.map((part) => compress(part)));
    const progress: number[] = [];
    await read(path, { onBytes: (done) => progress.push(done) });
    expect(Math.max(...progress)).toBe(readFileSync(path).length);
  });
});

describe('streamBytes', () => {
  it('skips zeros between and after the members of a gzip file', async () => {
    const path = write('a.gz', gzipSync('one '), Buffer.alloc(70_000), gzipSync('two'), Buffer.alloc(512));
    expect(await read(path)).toBe('one two');
  });

  it('skips frames of zstd that hold no data, wherever they are', async () => {
    const frames = [
      skippable(4),
      zstdCompressSync('one '),
      skippable(0),
      skippable(100_000),
      zstdCompressSync('two'),
      skippable(9),
    ];
    expect(await read(write('a.zst', ...frames))).toBe('one two');
    await expectAppError('file/bad-packing', () =>
      read(write('b.zst', ...frames, skippable(9).subarray(0, 12))),
    );
  });

  it('checks the checksum of a frame', async () => {
    const frame = zstdCompressSync('text '.repeat(20), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    frame[frame.length - 1]! ^= 1;
    await expectAppError('file/bad-packing', () => read(write('a.zst', frame)));
  });

  it('reads the files of bug reports whole', async () => {
    const expected = await readDocuments(join(packed, 'multi.jsonl.gz'));
    expect(expected).toHaveLength(40);
    for (const name of ['multi.jsonl.zst', 'skippable.jsonl.zst', 'long28.jsonl.zst', 'long31.jsonl.zst'])
      expect(await readDocuments(join(packed, name)), name).toEqual(expected);
  });

  it('refuses what is missing or a folder', async () => {
    await expectAppError('file/not-found', () => read(join(freshFolder(), 'none.txt')));
    await expectAppError('file/unreadable', () => read(freshFolder()));
  });
});
