/** @file One update of a model on the device. */
import { describe, expect, it } from 'vitest';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openDevice, type Device } from '../../../src-main/engine/ort/device.ts';
import { Training, type StepReport } from '../../../src-main/engine/train/training.ts';
import { openCheckpoint, type Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { noLimit } from '../../../src-main/train/update.ts';
import { smallSettings } from '../workbench.ts';
import { tinyCheckpoint } from './train-run.ts';

/** Makes an update with each of these distillation weights, one after the other, and returns the reports. */
async function trainWithDistillWeights(
  device: Device,
  checkpoint: Checkpoint,
  distillWeights: readonly number[],
): Promise<readonly StepReport[]> {
  const settings = {
    ...smallSettings,
    gradAccum: 2,
    distillWeight: 0.5,
    activationCheckpointing: 'off',
  } as const;
  const model = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
  const source = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
  const training = await Training.open(device, model, settings, source);
  const order = { update: 1, lr: 1e-3, limits: { loss: noLimit, gradNorm: noLimit } };
  const reports: StepReport[] = [];
  for (const distill of distillWeights)
    reports.push(
      await training.step({ ...order, distill }, (i, tokens) => {
        for (const at of tokens.keys()) tokens[at] = (7 * at + i) % 50;
      }),
    );
  await training.dispose();
  for (const loaded of [model, source]) loaded.dispose();
  return reports;
}

describe('Training.step', () => {
  it('leaves nothing of a non-finite update in the accumulated gradients of the next one', async () => {
    const device = await openDevice('cpu');
    const checkpoint = await openCheckpoint(await tinyCheckpoint);
    try {
      const [spoiled, afterwards] = await trainWithDistillWeights(device, checkpoint, [NaN, 0.5]);
      const [fresh] = await trainWithDistillWeights(device, checkpoint, [0.5]);
      expect(spoiled).toMatchObject({ applied: false, gradNorm: NaN });
      expect(afterwards).toMatchObject({ applied: true });
      expect(afterwards).toEqual(fresh);
    } finally {
      await device.dispose();
    }
  });
});
