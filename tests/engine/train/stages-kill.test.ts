/** @file A run whose process is killed around the boundary of a stage loses nothing. */
import { describe, expect, it } from 'vitest';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { startEngine, trainIn } from './engine-process.ts';
import { createStagedRun, expectSameRun, stageSteps } from './staged-run.ts';
import { digestState } from './train-run.ts';

const uninterrupted = (async () => {
  const run = await createStagedRun();
  const engineProcess = startEngine();
  await trainIn(engineProcess, run);
  engineProcess.child.disconnect();
  return { events: await readEvents(run), state: await digestState(run) };
})();

/** Trains in a new process and kills it `delay` ms after the event that `isDue` accepts. True if it was killed. */
async function trainAndKill(
  run: string,
  isDue: (event: RunEvent) => boolean,
  delay: number,
): Promise<boolean> {
  const engineProcess = startEngine();
  let isKilled = false;
  await trainIn(engineProcess, run, (event) => {
    if (isKilled || !isDue(event)) return;
    isKilled = true;
    setTimeout(() => {
      engineProcess.child.kill('SIGKILL');
    }, delay);
  }).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'rpc/closed' });
  });
  if (!isKilled) engineProcess.child.disconnect();
  const [, signal] = await engineProcess.exit;
  return signal === 'SIGKILL';
}

const key = deriveKey(15, 'kills');

/** What happens at a boundary, in order; a kill follows each of them. */
const moments: readonly (readonly [what: string, isDue: (event: RunEvent) => boolean, longest: number])[] = [
  ['the last step of the stage', (event) => event.type === 'step' && event.step === stageSteps, 40],
  ['the save of the end of the stage', (event) => event.type === 'saved' && event.step === stageSteps, 60],
  ['the growth of weights', (event) => event.type === 'preparing' && event.what === 'growing the model', 30],
  ['the certificate', (event) => event.type === 'preparing' && event.what.startsWith('comparing'), 400],
  ['the growth', (event) => event.type === 'grown', 40],
  ['the first step of the next stage', (event) => event.type === 'step' && event.step === stageSteps + 1, 10],
];

describe('a run with stages', () => {
  it('trains to the same bytes when its process is killed at every moment of its boundaries', async () => {
    const run = await createStagedRun();
    let kills = 0;
    for (const [i, [, isDue, longest]] of moments.entries())
      for (let j = 0; j < 2; j++)
        if (await trainAndKill(run, isDue, uniformAt(key, 2 * i + j) * longest)) kills++;
    expect(kills).toBeGreaterThan(6);
    const engineProcess = startEngine();
    await trainIn(engineProcess, run);
    engineProcess.child.disconnect();
    await engineProcess.exit;
    await expectSameRun(run, await uninterrupted);
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished', savedStep: 3 * stageSteps });
  });
});
