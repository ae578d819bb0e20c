/** @file The logits of a model in memory, with which an export is compared. */
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openLogitsReader } from '../model/programs.ts';
import { loadModel, type WeightSource } from '../model/weights.ts';
import type { Device } from '../ort/device.ts';

/** Returns the logits [tokens, vocab] of the model in memory. */
export async function computeLogits(
  device: Device,
  checkpoint: Checkpoint,
  weights: WeightSource,
  tokens: readonly number[],
): Promise<Float32Array> {
  const loaded = await loadModel(device, checkpoint, weights);
  try {
    const reader = await openLogitsReader(device, loaded, 1, tokens.length);
    try {
      return await reader.run(Int32Array.from(tokens));
    } finally {
      await reader.dispose();
    }
  } finally {
    loaded.dispose();
  }
}
