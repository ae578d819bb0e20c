/** @file A run whose text has changed does not continue in PyTorch, and says to restore the text. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { claimRun } from '../../src-main/store/run/runs.ts';
import { launchDefaults } from '../../src-main/train/launch.ts';
import { tinyCheckpoint, trainRun, trainUntilStep } from '../engine/train/train-run.ts';
import { createTextFile } from '../engine/workbench.ts';
import { createRunWith, describeTorch } from './torch-run.ts';

describeTorch('a run in PyTorch', () => {
  it('refuses a text that has changed since its last step', async () => {
    const data = createTextFile();
    const source = { checkpoint: await tinyCheckpoint, data: [data] };
    const run = await createRunWith(null, source, { saveEvery: 2 });
    await trainUntilStep(run, 2);
    writeFileSync(data, `${readFileSync(data, 'utf8')} and more of it`);
    await claimRun(run, { launch: { ...launchDefaults, processes: 1 } });
    expect((await trainRun(run)).at(-1)).toMatchObject({
      type: 'stopped',
      error: { code: 'run/text-changed', detail: { data: [data] } },
    });
  });
});
