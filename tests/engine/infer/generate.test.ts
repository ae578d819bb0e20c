/** @file Generates the greedy tokens of transformers, and samples from the softmax. */
import { describe, expect, it } from 'vitest';
import { generate, sampleToken } from '../../../src-main/engine/infer/generate.ts';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { fixtures, goldenCases, loadGolden } from '../../support/golden.ts';
import { collect } from '../workbench.ts';

describe.each(goldenCases)('%s', (name) => {
  it('generates the greedy tokens of transformers', async () => {
    const device = await openDevice('cpu');
    const checkpoint = await openCheckpoint(`${fixtures}/golden/${name}`);
    const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
    const { ids, greedy } = loadGolden(name) as ReturnType<typeof loadGolden> & { greedy: readonly number[] };
    const prompt = ids[0]!.slice(0, 4);
    const tokens = await collect(generate(device, loaded, prompt, 12, { temperature: 0, seed: 0 }));
    expect([...prompt, ...tokens]).toEqual(greedy);
    await device.dispose();
  });
});

it('samples each token with the probability of its softmax', () => {
  const logits = Float32Array.of(0, Math.log(2), Math.log(5));
  const counts = [0, 0, 0];
  for (let i = 0; i < 8000; i++) counts[sampleToken(logits, 1, (i + 0.5) / 8000)]!++;
  expect(counts).toEqual([1000, 2000, 5000]);
  expect(sampleToken(logits, 0, 0)).toBe(2);
  for (let i = 0; i < 8000; i++) counts[sampleToken(logits, 0.5, (i + 0.5) / 8000)]!--;
  expect(counts[0]).toBeGreaterThan(700); // at a lower temperature, unlikely tokens become rarer
  expect(sampleToken(logits, 1, 1 - 2 ** -53)).toBe(2);
});
