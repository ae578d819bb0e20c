/** @file Writes a checkpoint again as Cambium writes every checkpoint, with the same weights. */
import { readTensorRange, type Checkpoint } from './checkpoint.ts';
import { createCheckpointWriter } from './checkpoint-writer.ts';

const blockBytes = 1 << 24;

/** Writes `source` to the new folder `target`. */
export async function copyCheckpoint(source: Checkpoint, target: string): Promise<void> {
  const writer = await createCheckpointWriter({
    target,
    family: source.family,
    nameStyle: source.nameStyle,
    config: source.config,
    tensors: source.summary.tensors,
    auxiliaryFilesFrom: source.dir,
  });
  try {
    for (const name of writer.order) {
      const { bytes } = source.tensors.get(name)!;
      for (let at = 0; at < bytes; at += blockBytes) {
        const block = new Uint8Array(Math.min(blockBytes, bytes - at));
        await readTensorRange(source, name, at, block);
        await writer.write(name, block);
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
