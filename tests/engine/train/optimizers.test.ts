/** @file Runs with Muon and SGD. The other tests of training use AdamW. */
import { describe, expect, it } from 'vitest';
import { optimizerIds } from '../../../src-main/train/optimizers/index.ts';
import { createTestRun } from '../workbench.ts';
import {
  digestState,
  lossesOf,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

describe.each(optimizerIds.filter((id) => id !== 'adamw'))('a run with %s', (optimizer) => {
  const settings = { tokens: 20 * tokensPerSmallStep, optimizer, lr: optimizer === 'sgd' ? 0.1 : 1e-2 };
  const uninterrupted = (async () => {
    const dir = await createTestRun(await tinyCheckpoint, textFile, settings);
    return { dir, losses: lossesOf(await trainRun(dir)) };
  })();

  it('lowers the loss', async () => {
    const { losses } = await uninterrupted;
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3);
  });

  it('resumes to the same bytes', async () => {
    const dir = await createTestRun(await tinyCheckpoint, textFile, settings);
    await trainUntilStep(dir, 11);
    await trainRun(dir);
    expect(await digestState(dir)).toEqual(await digestState((await uninterrupted).dir));
  });
});
