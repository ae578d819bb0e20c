/**
 * @file A precision that the device cannot compute in is refused at the start, with what it can; nothing else
 * is run in its place.
 */
import { expect, it } from 'vitest';
import { describeError } from '../../../src-main/base/errors.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { compile, selectFeeds } from '../../../src-main/engine/model/programs.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { partsOf } from '../../../src-main/train/optimizers/index.ts';
import { stateName } from '../../../src-main/train/state.ts';
import { updateProgram } from '../../../src-main/train/step.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, createTestRun, eventsOfType, neverAborted, smallSettings, createTextFile } from '../workbench.ts';

it.each(['bfloat16', 'float16'] as const)('%s on the processor', async (precision) => {
  const checkpoint = await makeTinyCheckpoint('llama', { tokenizer: true });
  const run = await createTestRun(checkpoint, createTextFile(), { precision });
  const events = await collect(train({ run }, neverAborted));
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
});

it('the loss scale that is told is the one an update was made with, though the next takes its place', async () => {
  const device = await openDevice('cpu');
  const checkpoint = await openCheckpoint(await makeTinyCheckpoint('llama'));
  const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
  const { buckets } = loaded.model;
  try {
    for (const bucket of buckets)
      for (const part of [...partsOf(bucket, smallSettings), 'gradient' as const]) {
        const name = stateName(part, bucket);
        if (!loaded.tensors.has(name))
          loaded.tensors.set(
            name,
            await device.upload(
              new Float32Array(bucket.length).fill(part === 'gradient' ? NaN : 0),
              'float32',
              [bucket.length],
            ),
          );
      }
    const session = await compile(device, updateProgram(loaded.model, smallSettings, 1, 'float16'));
    const scalars = session.inputs.filter((name) => !loaded.tensors.has(name));
    for (const name of scalars)
      loaded.tensors.set(
        name,
        DeviceTensor.fromArray(Float32Array.of(name === 'scaling/factor' ? 2 : 0), 'float32', []),
      );
    const inPlace = Object.fromEntries(
      session.outputs
        .filter((name) => name.startsWith('next/'))
        .map((name) => [name, loaded.tensors.get(name.slice('next/'.length))!]),
    );
    const out = await session.run(selectFeeds(session, loaded.tensors), {
      scale: 'host',
      applied: 'host',
      ...inPlace,
    });
    expect([out.get('scale')!.values('float32')[0], out.get('applied')!.values('float32')[0]]).toEqual([
      2, 0,
    ]);
    expect(loaded.tensors.get('scaling/factor')!.values('float32')[0]).toBe(1);
  } finally {
    loaded.dispose();
    await device.dispose();
  }
});
