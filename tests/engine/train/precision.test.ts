/** @file The precision of a run: refused at the start where the device lacks it, and its loss scale reported. */
import { describe, expect, it } from 'vitest';
import { describeError } from '../../../src-main/base/errors.ts';
import { compile, selectFeeds } from '../../../src-main/engine/model/programs.ts';
import { checkpointWeights, loadModel, type LoadedModel } from '../../../src-main/engine/model/weights.ts';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { openDevice, type Device } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { partsOf } from '../../../src-main/train/optimizers/index.ts';
import { stateName } from '../../../src-main/train/state.ts';
import { updateProgram } from '../../../src-main/train/step.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createTestRun, eventsOfType, smallSettings } from '../workbench.ts';
import { textFile, tinyCheckpoint, trainRun } from './train-run.ts';

describe('a precision that the device does not have', () => {
  it.each(['bfloat16', 'float16'] as const)(
    '(%s on the CPU) is refused before the first step',
    async (precision) => {
      const events = await trainRun(await createTestRun(await tinyCheckpoint, textFile, { precision }));
      const [stopped] = eventsOfType(events, 'stopped');
      expect(stopped).toMatchObject({
        reason: 'failed',
        step: 0,
        error: { code: 'run/precision', detail: { device: 'cpu', precision, possible: ['float32'] } },
      });
      expect(eventsOfType(events, 'step')).toEqual([]);
      expect(describeError(stopped!.error!).join('. ')).toContain(
        `cpu does not compute in ${precision}. It can train in float32`,
      );
    },
  );
});

/** Adds the state that the update reads: moments of 0, and gradients of NaN. */
async function addNonFiniteGradients(device: Device, { model, tensors }: LoadedModel): Promise<void> {
  for (const bucket of model.buckets)
    for (const part of [...partsOf(bucket, smallSettings), 'gradient' as const]) {
      const name = stateName(part, bucket);
      if (tensors.has(name)) continue;
      const values = new Float32Array(bucket.length).fill(part === 'gradient' ? NaN : 0);
      tensors.set(name, await device.upload(values, 'float32', [bucket.length]));
    }
}

describe('the reported loss scale', () => {
  it('is the one that the update used, although the next one is written in its place', async () => {
    const device = await openDevice('cpu');
    const checkpoint = await openCheckpoint(await makeTinyCheckpoint('llama'));
    const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
    const { tensors } = loaded;
    try {
      await addNonFiniteGradients(device, loaded);
      const session = await compile(device, updateProgram(loaded.model, smallSettings, 1, 'float16'));
      const scalars = session.inputs.filter((name) => !tensors.has(name));
      for (const name of scalars) {
        const value = name === 'scaling/factor' ? 2 : 0;
        tensors.set(name, DeviceTensor.fromArray(Float32Array.of(value), 'float32', []));
      }
      const written = session.outputs.filter((name) => name.startsWith('next/'));
      const inPlace = Object.fromEntries(
        written.map((name) => [name, tensors.get(name.slice('next/'.length))!]),
      );
      const fetches = { scale: 'host', applied: 'host', ...inPlace } as const;
      const outputs = await session.run(selectFeeds(session, tensors), fetches);
      const read = (name: string): number => outputs.get(name)!.values('float32')[0]!;
      expect([read('scale'), read('applied')]).toEqual([2, 0]);
      expect(tensors.get('scaling/factor')!.values('float32')[0]).toBe(1);
    } finally {
      loaded.dispose();
      await device.dispose();
    }
  });
});
