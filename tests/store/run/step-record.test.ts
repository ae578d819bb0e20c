import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import { emptyHistory } from '../../../src-main/train/spikes.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

/** Writes step.json of step 16. */
function writeRecord(record: unknown): { readonly step: number; readonly dir: string } {
  const dir = freshFolder('step');
  writeFileSync(join(dir, 'step.json'), JSON.stringify(record));
  return { step: 16, dir };
}

const common = {
  step: 16,
  tokens: 512,
  seconds: 0.05,
  deviceSeconds: 0.09,
  joules: 3,
  trainTokens: 4530,
  cursor: 18,
  updates: 15,
};
const current = {
  ...common,
  version: 2,
  history: { losses: [6, 5], gradNorms: [2, 1], nonFinite: 1 },
  lossScale: { factor: 1024, finiteUpdates: 7 },
};

describe('readStepRecord', () => {
  it('reads a record of version 2', async () => {
    expect(await readStepRecord(writeRecord(current))).toEqual(current);
  });

  it('reads the stages of a run, and the end of one', async () => {
    const start = { step: 8, tokens: 256, flops: 1e9, flopsPerToken: 4e6, cursor: 9, draws: 72, order: 0 };
    const staged = {
      ...current,
      stages: [{ ...start, step: 0, tokens: 0, flops: 0, cursor: 0, draws: 0 }, start],
      stageEnd: { reason: 'plateau', heldOutLoss: 3.5 },
    };
    expect(await readStepRecord(writeRecord(staged))).toEqual(staged);
  });

  it('reads a record of version 1 with the names of version 2', async () => {
    const old = {
      ...common,
      version: 1,
      watch: { losses: [6, 5], norms: [2, 1], bad: 1 },
      scaling: { factor: 1024, good: 7 },
    };
    expect(await readStepRecord(writeRecord(old))).toEqual(current);
  });

  it('gives fields that early records lack the values that they would have had', async () => {
    const { step, tokens, seconds, trainTokens } = common;
    expect(await readStepRecord(writeRecord({ version: 1, step, tokens, seconds, trainTokens }))).toEqual({
      version: 2,
      step,
      tokens,
      seconds,
      deviceSeconds: seconds,
      joules: null,
      trainTokens,
      cursor: step,
      updates: step,
      history: emptyHistory,
    });
  });

  it.each([
    ['another version', { ...current, version: 3 }, 'version 3'],
    ['a damaged start of a stage', { ...current, stages: [{ step: 0 }] }, 'stages.0.tokens'],
    ['another step', { ...current, step: 8 }, 'step 8'],
    ['a field of a wrong type', { ...current, cursor: -1 }, 'cursor'],
    [
      'a damaged history',
      { ...current, history: { losses: 'many', gradNorms: [], nonFinite: 0 } },
      'history.losses',
    ],
    ['a damaged history of version 1', { ...common, version: 1, watch: { losses: [], bad: 0 } }, 'history'],
  ])('refuses a record with %s and says what is wrong', async (_, record, what) => {
    const { message } = await expectAppError('run/damaged-checkpoint', () =>
      readStepRecord(writeRecord(record)),
    );
    expect(message).toContain(what);
  });
});
