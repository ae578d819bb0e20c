/**
 * @file The disk's sequential write speed, one process: `disk-ours.ts FILE BYTES direct|cached`; the same
 * bytes as a growth makes, in the same pieces, synced. The last line is one JSON object.
 */
import { open } from 'node:fs/promises';
import { createSequential } from '../../src-main/store/fs/sequential-file.ts';
import { usage } from './usage.ts';

const [path, bytes, how] = process.argv.slice(2) as [string, string, string];
const piece = new Uint8Array(8 << 20).map((_, i) => Math.imul(i, 2_654_435_761) >>> 24);
const size = Number(bytes);
const told = usage();
if (how === 'direct') {
  const file = await createSequential(path, size);
  for (let at = 0; at < size; at += piece.length)
    await file.write(piece.subarray(0, Math.min(piece.length, size - at)));
  await file.finish();
} else {
  const file = await open(path, 'wx');
  for (let at = 0; at < size; at += piece.length)
    await file.write(piece, 0, Math.min(piece.length, size - at), at);
  await file.sync();
  await file.close();
}
console.log(JSON.stringify(told()));
