import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createSafetensorsWriter,
  readBytes,
  readHeader,
} from '../../../src-main/store/checkpoint/safetensors.ts';
import { byteLengthOf, dtypes, type DType } from '../../../src-main/tensor/dtype.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

const dir = freshFolder();
let files = 0;
const freeFile = (): string => `${dir}/${files++}.safetensors`;

/** Writes a file with exactly this header and `bytes` zero bytes after it. */
function craft(header: unknown, bytes: number, length?: bigint): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  const path = freeFile();
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([head, text, Buffer.alloc(bytes)]));
  return path;
}
const f32 = (shape: number[], from: number, to: number): unknown => ({
  dtype: 'F32',
  shape,
  data_offsets: [from, to],
});

describe('createSafetensorsWriter', () => {
  it('writes what readHeader and readBytes read, for any names, shapes, dtypes and chunks', async () => {
    const tensor = fc.record({
      name: fc.oneof(
        fc.string({ minLength: 1, maxLength: 12 }),
        fc.constantFrom('__proto__', '0', '1', 'ключ', 'a"b\\c'),
      ),
      dtype: fc.constantFrom(...(Object.keys(dtypes) as DType[])),
      shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 8 }),
        fc.integer({ min: 1, max: 50 }),
        fc.nat(),
        async (tensors, chunkBytes, seed) => {
          fc.pre(tensors.every((t) => t.name !== '__metadata__' && t.name.isWellFormed()));
          const path = freeFile();
          const contents = new Map(
            tensors.map((t, n) => [
              t.name,
              Uint8Array.from(
                { length: byteLengthOf(t.dtype, countElements(t.shape)) },
                (_, i) => (seed + 31 * n + 7 * i) & 255,
              ),
            ]),
          );
          const writer = await createSafetensorsWriter(path, tensors, { format: 'pt', note: 'ø' });
          for (const name of writer.order)
            for (let at = 0, bytes = contents.get(name)!; at < bytes.length; at += chunkBytes)
              await writer.write(name, bytes.subarray(at, at + chunkBytes));
          await writer.finish();
          const { entries, metadata, bytes } = await readHeader(path);
          expect(bytes).toBe(readFileSync(path).length);
          expect(bytes).toBe(writer.bytes);
          expect(metadata).toEqual({ format: 'pt', note: 'ø' });
          expect([...entries.keys()].sort()).toEqual(tensors.map((t) => t.name).sort());
          for (const { name, dtype, shape } of tensors) {
            const entry = entries.get(name)!;
            const into = new Uint8Array(entry.bytes);
            await readBytes(path, entry.offset, into);
            expect([entry.dtype, entry.shape, into]).toEqual([
              dtypes[dtype].safetensors,
              shape,
              contents.get(name),
            ]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('pads the header to 8 bytes and sorts by dtype, then by name', async () => {
    const path = freeFile();
    const writer = await createSafetensorsWriter(path, [
      { name: 'b', dtype: 'float16', shape: [1] },
      { name: 'z', dtype: 'float32', shape: [1] },
      { name: 'a', dtype: 'bfloat16', shape: [1] },
      { name: 'c', dtype: 'float32', shape: [1] },
    ]);
    expect(writer.order).toEqual(['c', 'z', 'a', 'b']);
    for (const name of writer.order) await writer.write(name, new Uint8Array(name < 'c' ? 2 : 4));
    await writer.finish();
    const file = readFileSync(path);
    const length = Number(file.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(file.subarray(8, 8 + length).toString()).toMatch(
      /^\{"__metadata__":\{"format":"pt"\},"c":.*\} *$/,
    );
  });

  it('throws for a wrong order, too many bytes and an incomplete tensor', async () => {
    const two = [
      { name: 'a', dtype: 'float32', shape: [2] },
      { name: 'b', dtype: 'float32', shape: [2] },
    ] as const;
    const writer = await createSafetensorsWriter(freeFile(), two);
    await expect(writer.write('b', new Uint8Array(8))).rejects.toThrow('b was written where a was due');
    await expect(writer.write('a', new Uint8Array(9))).rejects.toThrow('too many bytes for a');
    await writer.write('a', new Uint8Array(8));
    await expect(writer.finish()).rejects.toThrow('b is not complete');
    await expect(createSafetensorsWriter(freeFile(), [two[0], two[0]])).rejects.toThrow('twice');
  });
});

describe('readHeader', () => {
  const bad: readonly (readonly [what: string, path: () => string, why: RegExp])[] = [
    ['a header beyond the limit', () => craft('{}', 0, 100_000_001n), /above the limit/],
    ['a header length near 2^64', () => craft('{}', 0, 2n ** 64n - 1n), /above the limit/],
    ['invalid JSON', () => craft('{"a":', 0), /not JSON/],
    [
      'bytes that are not UTF-8',
      () => {
        const path = craft('{"aaaa":{}}', 0);
        const file = readFileSync(path);
        file[11] = 0xff;
        writeFileSync(path, file);
        return path;
      },
      /not JSON/,
    ],
    ['an array', () => craft('[]', 0), /not an object/],
    ['an entry that is a number', () => craft({ a: 3 }, 0), /"a" is not an object/],
    ['metadata that is not text', () => craft({ __metadata__: { a: 3 } }, 0), /is not text/],
    [
      'an unknown dtype',
      () => craft({ a: { dtype: 'Q4', shape: [1], data_offsets: [0, 4] } }, 4),
      /unknown dtype "Q4"/,
    ],
    [
      'a dtype from the prototype',
      () => craft({ a: { dtype: 'constructor', shape: [1], data_offsets: [0, 4] } }, 4),
      /unknown dtype/,
    ],
    ['a negative size', () => craft({ a: f32([-1], 0, 4) }, 4), /has the shape/],
    ['a fractional size', () => craft({ a: f32([1.5], 0, 6) }, 6), /has the shape/],
    [
      'a size above 2^53',
      () => craft('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
      /has the shape/,
    ],
    ['a product above 2^53', () => craft({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), /too large/],
    ['a product above 2^53 times zero', () => craft({ a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }, 0), /too large/],
    [
      'three offsets',
      () => craft({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 8),
      /has the offsets/,
    ],
    ['offsets that run backwards', () => craft({ a: f32([1], 4, 0) }, 4), /ends before it starts/],
    [
      'an offset beyond every file',
      () => craft({ a: f32([1], Number.MAX_SAFE_INTEGER - 4, Number.MAX_SAFE_INTEGER) }, 4),
      /too far/,
    ],
    [
      'a span that is not the shape',
      () => craft({ a: f32([3], 0, 8) }, 8),
      /is \[3\] of F32 but has 8 bytes/,
    ],
    ['an overlap', () => craft({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), /"b" overlaps/],
    ['the same place twice', () => craft({ a: f32([2], 0, 8), b: f32([2], 0, 8) }, 8), /overlaps/],
    [
      'a hole between',
      () => craft({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      /a hole of 4 bytes before "b"/,
    ],
    ['a hole at the start', () => craft({ a: f32([1], 4, 8) }, 8), /a hole of 4 bytes before "a"/],
    ['bytes after the end', () => craft({ a: f32([1], 0, 4) }, 12), /8 bytes follow/],
    [
      'a Git LFS pointer',
      () => {
        const path = freeFile();
        writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
        return path;
      },
      /Git LFS pointer/,
    ],
  ];
  it.each(bad)('refuses %s', async (_, path, why) => {
    const file = path();
    const { detail } = await expectAppError('safetensors/bad-header', () => readHeader(file));
    expect(detail).toMatchObject({ path: file, why: expect.stringMatching(why) as string });
  });

  it.each([0, 4, 7, 20])('refuses a file that is cut off at byte %i', async (at) => {
    const path = craft({ a: f32([2], 0, 8) }, 8);
    truncateSync(path, at);
    const { detail } = await expectAppError('safetensors/truncated', () => readHeader(path));
    expect(detail).toMatchObject({ path, found: at });
  });

  it('names both lengths when the weights are cut off', async () => {
    const path = craft({ a: f32([100], 0, 400) }, 400);
    const full = readFileSync(path).length;
    truncateSync(path, full - 1);
    expect((await expectAppError('safetensors/truncated', () => readHeader(path))).message).toContain(
      `${full - 1} bytes, but its header requires ${full}`,
    );
  });

  it('never reads a randomly damaged file as tensors of other sizes', async () => {
    const good = readFileSync(craft({ a: f32([2, 3], 0, 24), b: f32([2], 24, 32) }, 32));
    const path = freeFile();
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 33), fc.nat(255), async (at, byte) => {
        const file = Buffer.from(good);
        file[at] = byte;
        writeFileSync(path, file);
        const header = await readHeader(path).catch((error: unknown) => {
          expect((error as { code: string }).code).toMatch(/^safetensors\//);
          return undefined;
        });
        if (header) expect([...header.entries.values()].reduce((n, e) => n + e.bytes, 0)).toBe(32);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a path without a file, and a folder', async () => {
    await expectAppError('file/not-found', () => readHeader(`${dir}/none`));
    await expectAppError('file/unreadable', () => readHeader(dir));
  });
});
