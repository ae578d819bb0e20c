/**
 * @file Measures the disk's sequential write speed: `measure-disk.ts FILE BYTES direct|cached`. Writes as many
 * bytes as a growth does, in pieces of the same size, and syncs them. Prints one JSON object.
 */
import { open } from 'node:fs/promises';
import { createSequentialFile } from '../../src-main/store/fs/sequential-file.ts';
import { startUsage } from './measure-usage.ts';

const [path, bytes, mode] = process.argv.slice(2) as [string, string, 'direct' | 'cached'];
const size = Number(bytes);
const piece = new Uint8Array(8 << 20).map((_, i) => Math.imul(i, 2_654_435_761) >>> 24);

async function writeDirect(): Promise<void> {
  const file = await createSequentialFile(path, size);
  for (let offset = 0; offset < size; offset += piece.length) {
    await file.write(piece.subarray(0, Math.min(piece.length, size - offset)));
  }
  await file.finish();
}

async function writeThroughCache(): Promise<void> {
  const file = await open(path, 'wx');
  for (let offset = 0; offset < size; offset += piece.length) {
    await file.write(piece, 0, Math.min(piece.length, size - offset), offset);
  }
  await file.sync();
  await file.close();
}

const readUsage = startUsage();
await (mode === 'direct' ? writeDirect() : writeThroughCache());
console.log(JSON.stringify(readUsage()));
