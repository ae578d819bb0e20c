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

type IsMoment = (event: RunEvent, lastStep: number) => boolean;

/** What happens at a boundary, in order; a kill follows each within that many milliseconds. */
const moments: readonly (readonly [what: string, isMoment: IsMoment, longest: number])[] = [
  ['the last step of the stage', (event, last) => event.type === 'step' && event.step === last, 30],
  ['the save at the end of the stage', (event, last) => event.type === 'saved' && event.step === last, 60],
  ['the growth of weights', (event) => event.type === 'preparing' && event.what === 'growing the model', 20],
  ['the growth of moments', (event) => event.type === 'preparing' && event.what.includes('moments'), 20],
  ['the certificate', (event) => event.type === 'preparing' && event.what.startsWith('comparing'), 100],
  ['the growth', (event) => event.type === 'grown', 40],
  ['the first step of the next stage', (event, last) => event.type === 'step' && event.step > last, 1],
];
const key = deriveKey(15, 'kills');

describe('a run with stages', () => {
  it.each(moments)(
    'trains to the same bytes when its process is killed after %s',
    async (what, isMoment, longest) => {
      const run = await createStagedRun();
      for (const boundary of [1, 2]) {
        const delay = uniformAt(deriveKey(key, what), boundary) * longest;
        const isDue = (event: RunEvent): boolean => isMoment(event, boundary * stageSteps);
        expect(await trainAndKill(run, isDue, delay)).toBe(true);
      }
      const { state } = await summarizeRun(run);
      expect(['interrupted', 'preparing']).toContain(state);
      const engineProcess = startEngine();
      await trainIn(engineProcess, run);
      engineProcess.child.disconnect();
      await engineProcess.exit;
      await expectSameRun(run, await uninterrupted);
      expect(await summarizeRun(run)).toMatchObject({ state: 'finished', savedStep: 3 * stageSteps });
    },
  );
});
