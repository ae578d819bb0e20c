/** @file Generates the greedy tokens of transformers. */
import { describe, expect, it } from 'vitest';
import { generate } from '../../../src-main/engine/infer/generate.ts';
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
