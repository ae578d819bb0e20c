/** @file What a run starts with: the weights of its checkpoint or random ones, and the rates of a growth plan. */
import { describe, expect, it } from 'vitest';
import {
  checkpointWeights,
  loadModel,
  randomWeights,
  readFactors,
  type WeightSource,
} from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { createTestRun, readValues, readWeights } from '../workbench.ts';
import { growTiny, lossesOf, openNewestModel, textFile, tinyCheckpoint, trainRun } from './train-run.ts';

describe('random initial weights', () => {
  it('depend on the seed, and have the sizes of the checkpoint', async () => {
    const checkpoint = await openCheckpoint(await tinyCheckpoint);
    const device = await openDevice('cpu');
    const load = async (source: WeightSource): Promise<readonly number[]> => {
      const { tensors } = await loadModel(device, checkpoint, source);
      return [...tensors.values()].flatMap((tensor) => [...tensor.values('float32')]);
    };
    const trained = await load(checkpointWeights(checkpoint));
    const random = await load(randomWeights(checkpoint, 1));
    expect(await load(randomWeights(checkpoint, 1))).toEqual(random);
    expect(await load(randomWeights(checkpoint, 2))).not.toEqual(random);
    expect(random.length).toBe(trained.length);
    expect(random).not.toEqual(trained);
    await device.dispose();
  });

  it('start with the loss of a uniform prediction', async () => {
    const firstLoss = async (init: 'random' | 'checkpoint'): Promise<number> =>
      lossesOf(await trainRun(await createTestRun(await tinyCheckpoint, textFile, { init })))[0]!;
    const loss = await firstLoss('random');
    expect(Math.abs(loss - Math.log(260))).toBeLessThan(0.2);
    expect(loss).not.toBe(await firstLoss('checkpoint'));
  });
});

describe('a run of a grown checkpoint', () => {
  const lr = 1e-3;
  const grown = (async () => {
    const dir = await growTiny('hypercloning');
    const checkpoint = await openCheckpoint(dir);
    const lrScales = new Map([...readFactors(checkpoint)].map(([name, { lrScale }]) => [name, lrScale]));
    return { dir, checkpoint, lrScales, weights: await readWeights(dir) };
  })();

  it.each([
    ['by the rates of the growth plan with per-tensor learning rates', 'on'],
    ['by one rate without them', 'off'],
  ] as const)('moves its weights %s', async (_, perTensorLr) => {
    const { dir, checkpoint, lrScales, weights } = await grown;
    expect(new Set(lrScales.values()).size).toBeGreaterThan(1);
    const run = await createTestRun(dir, textFile, {
      perTensorLr,
      tokens: 1,
      warmupSteps: 0,
      schedule: 'constant',
      weightDecay: 0,
      gradClip: 0,
      eps: 1e-12,
      lr,
    });
    await trainRun(run);
    const after = await openNewestModel(run);
    expect(after.growth).toEqual(checkpoint.growth);
    for (const [name, bytes] of weights) {
      // Adam's first step moves every weight that has a gradient by the learning rate.
      const before = new Float32Array(bytes.slice().buffer);
      const moves = (await readValues(after, name)).map((x, i) => Math.abs(x - before[i]!));
      const expected = perTensorLr === 'on' ? lr * lrScales.get(name)! : lr;
      expect(Math.max(...moves) / expected, name).toBeCloseTo(1, 2);
    }
  });
});
