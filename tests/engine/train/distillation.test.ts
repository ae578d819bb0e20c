/** @file Distillation of a grown model from its source. */
import { describe, expect, it } from 'vitest';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createTestRun, eventsOfType } from '../workbench.ts';
import { growTiny, textFile, tinyCheckpoint, tokensPerSmallStep, trainRun } from './train-run.ts';

/** Trains a checkpoint and returns the KL divergence from its source at each step. */
async function divergencesOf(
  checkpoint: string,
  settings: Partial<TrainingSettings>,
): Promise<readonly number[]> {
  const events = await trainRun(await createTestRun(checkpoint, textFile, settings));
  return eventsOfType(events, 'step').map((event) => event.kl!);
}

const constantLr = { lr: 3e-3, warmupSteps: 1, schedule: 'constant' } as const;

describe('distillation', () => {
  it('keeps a function-preserving growth near its source while its weight is large', async () => {
    const checkpoint = await growTiny('hypercloning');
    const settings = { ...constantLr, tokens: 15 * tokensPerSmallStep };
    const strong = await divergencesOf(checkpoint, { ...settings, distillWeight: 1 });
    const weak = await divergencesOf(checkpoint, { ...settings, distillWeight: 1e-6 });
    expect(Math.abs(strong[0]!)).toBeLessThan(1e-5);
    for (let i = 2; i < 8; i++) expect(strong[i]!, `step ${i + 1}`).toBeLessThan(weak[i]!);
  });

  it('brings a growth that is not function-preserving closer to its source', async () => {
    const divergences = await divergencesOf(await growTiny('copy-pad'), {
      ...constantLr,
      tokens: 40 * tokensPerSmallStep,
      distillWeight: 1,
      distillTemperature: 2,
      gradAccum: 2,
    });
    expect(divergences[0]!).toBeGreaterThan(0.001);
    expect(divergences[10]!).toBeLessThan(divergences[0]!);
  });

  it('is refused for a checkpoint that was not grown', async () => {
    const events = await trainRun(
      await createTestRun(await tinyCheckpoint, textFile, { distillWeight: 0.5 }),
    );
    expect(events.at(-1)).toMatchObject({ reason: 'failed', error: { code: 'run/no-source' } });
  });
});
