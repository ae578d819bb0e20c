/** @file A fingerprint of a checkpoint's weights, from samples of their bytes. */
import { createHash } from 'node:crypto';
import { readTensorRange, type Checkpoint } from './checkpoint.ts';

/** Bytes read at the start, in the middle and at the end of each weight. */
const sampleBytes = 4096;

/**
 * SHA-256 over the name, dtype, shape and three byte samples of every weight. It tells apart two states of the
 * same model, because training changes every weight. It is not a digest of all bytes.
 */
export async function computeFingerprint(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash('sha256');
  const tensors = [...checkpoint.tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, dtype, shape, bytes } of tensors) {
    hash.update(`${name} ${dtype} ${shape.join(',')}\n`);
    const length = Math.min(sampleBytes, bytes);
    const middle = Math.floor((bytes - length) / 2);
    for (const offset of new Set([0, middle, bytes - length])) {
      const sample = new Uint8Array(length);
      await readTensorRange(checkpoint, name, offset, sample);
      hash.update(sample);
    }
  }
  return hash.digest('hex');
}
