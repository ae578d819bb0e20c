import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { extractEntry, readEntryText, readZipEntries } from '../../../src-main/store/gpu/zip.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createZip } from './wheels.ts';

/** Writes an archive; `change` gets its bytes. Returns its path. */
function writeZip(
  files: Readonly<Record<string, Buffer>>,
  change: (bytes: Buffer) => void = () => undefined,
): string {
  const path = join(freshFolder(), 'a.zip');
  const bytes = createZip(files);
  change(bytes);
  writeFileSync(path, bytes);
  return path;
}
const endOfArchive = 22;

it('reads the files of an archive', async () => {
  const path = writeZip({ a: Buffer.from('one'), b: Buffer.from('two') });
  const entries = await readZipEntries(path);
  expect(entries.map(({ name, bytes }) => [name, bytes])).toEqual([
    ['a', 3],
    ['b', 3],
  ]);
  expect(await Promise.all(entries.map((entry) => readEntryText(path, entry)))).toEqual(['one', 'two']);
});

it('stops at the size that the list of files promises', async () => {
  const path = writeZip({ a: Buffer.alloc(50_000_000) });
  const [entry] = await readZipEntries(path);
  const small = { ...entry!, bytes: 1000 };
  const target = join(freshFolder(), 'out');
  const written: number[] = [];
  await expectAppError('file/unreadable', () =>
    extractEntry(path, small, target, (bytes) => written.push(bytes)),
  );
  expect(written.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(1000);
  await expectAppError('file/unreadable', () => readEntryText(path, small));
});

it('reads no text that is not small, and no list of files that is longer than the archive', async () => {
  const path = writeZip({ a: Buffer.alloc(17 << 20) });
  const [entry] = await readZipEntries(path);
  await expectAppError('file/unreadable', () => readEntryText(path, entry!));
  const cut = writeZip({ a: Buffer.from('one') }, (bytes) => {
    bytes.writeUInt32LE(0xffff_fff0, bytes.length - endOfArchive + 12);
  });
  await expectAppError('file/unreadable', () => readZipEntries(cut));
});
