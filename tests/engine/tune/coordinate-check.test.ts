/** @file The coordinate check of tiny models: flat by µP, growing without. */
import { describe, expect, it } from 'vitest';
import { tune } from '../../../src-main/engine/tune/tune-job.ts';
import { createTuning } from '../../../src-main/service/tuning.ts';
import { readTuning, writeTuning } from '../../../src-main/store/run/tuning-file.ts';
import { flatExponent, largestExponent, logitsName } from '../../../src-main/train/tuning/coordinates.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, createTextFile, neverAborted, smallSettings } from '../workbench.ts';

const dims = { hidden: 32, ffn: 64, heads: 4, kv_heads: 4 };

describe.each(['gpt2', 'gemma2'])('the coordinate check of a %s', (id) => {
  it('finds every activation flat over the width by µP, and growing without', async () => {
    const dir = freshFolder('tuning');
    const request = {
      checkpoint: await makeTinyCheckpoint(id, { tokenizer: true, dims }),
      data: [createTextFile()],
      settings: { ...smallSettings, microBatch: 4, heldOut: 0.2 },
      trials: 0,
      transferTrials: 0,
      coordinateCheck: true,
    };
    await writeTuning(dir, await createTuning(request));
    await collect(tune({ dir }, neverAborted));
    const { coordinateCheck, isDone, trials } = await readTuning(dir);
    expect({ isDone, trials }).toEqual({ isDone: true, trials: [] });
    const { widths, mup, standard } = coordinateCheck!;
    expect(widths).toEqual([8, 16, 32, 64, 128]);
    expect(mup.map(({ name }) => name)).toContain(logitsName);
    expect(mup.map(({ name }) => name)).toEqual(standard.map(({ name }) => name));
    expect(largestExponent(mup)).toBeLessThan(flatExponent);
    expect(largestExponent(standard)).toBeGreaterThan(0.5);
    // The same model at the base width: both are the same there.
    const base = widths.indexOf(32);
    expect(mup.map(({ scales }) => scales[base])).toEqual(standard.map(({ scales }) => scales[base]));
  });
});
