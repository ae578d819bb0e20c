/**
 * @file A print of a checkpoint's weights, to tell one from another of the same form without reading all of
 * it.
 */
import { createHash } from 'node:crypto';
import { readTensorRange, type Checkpoint } from './checkpoint.ts';

/** Bytes read at the beginning, in the middle and at the end of each weight. */
const sample = 4096;

/**
 * SHA-256 over every weight's name, type, shape and three samples of its bytes: training moves all of them,
 * so that another state of the same model has another print. Not a digest of everything.
 */
export async function fingerprintOf(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, dtype, shape, bytes } of [...checkpoint.refs.values()].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    hash.update(`${name} ${dtype} ${shape.join(',')}\n`);
    const length = Math.min(sample, bytes);
    for (const at of new Set([0, Math.floor((bytes - length) / 2), bytes - length])) {
      const into = new Uint8Array(length);
      await readTensorRange(checkpoint, name, at, into);
      hash.update(into);
    }
  }
  return hash.digest('hex');
}
