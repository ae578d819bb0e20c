/** @file Checkpoints of a run: events, then a step folder, sometimes once more in the place of the same step. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deriveKey, bitsAt } from '../../../src-main/base/random.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import {
  createRun,
  newestStep,
  openSession,
  savedSteps,
  saveStep,
  summarizeRun,
} from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { digestBytes, digestFolder } from './digest.ts';
import type { Operation, Place } from './operation.ts';

const runOf = ({ root }: Place): string => join(root, 'run');
const sumFile = 'sum.json';
/** Events of one work that are not synced before it ends. */
const unsyncedEvents = 2;

const stepEvent = (step: number): RunEvent => ({
  type: 'step',
  step,
  lr: 1e-3,
  loss: 2 + 1 / step,
  gradNorm: 1,
  updateRatio: 1e-3,
  tokens: step * 32,
  seconds: 0.1,
});

/** Writes three files of random bytes and a digest of them. */
function fill(dir: string, seed: number): void {
  mkdirSync(join(dir, 'model'));
  const sums: Record<string, string> = {};
  for (const [i, name] of ['a', 'b', join('model', 'c')].entries()) {
    const key = deriveKey(seed, 'file', i);
    const bytes = Uint8Array.from({ length: 9000 * (i + 1) }, (_, at) => bitsAt(key, at) & 255);
    sums[name] = digestBytes(bytes);
    writeFileSync(join(dir, name), bytes);
  }
  writeFileSync(join(dir, sumFile), JSON.stringify(sums));
}

/** What is wrong with a checkpoint; undefined if it is whole. */
function findFault(dir: string): string | undefined {
  if (!existsSync(join(dir, sumFile))) return `${dir} has no ${sumFile}`;
  const sums = JSON.parse(readFileSync(join(dir, sumFile), 'utf8')) as Readonly<Record<string, string>>;
  const found = digestFolder(dir, (path) => path !== sumFile);
  const isWhole = Object.entries(sums).every(([name, sum]) => found[name] === sum);
  return isWhole ? undefined : `${dir} is half-written`;
}

export const save: Operation = {
  guess: 80,
  async prepare(place) {
    await createRun(runOf(place), {
      name: 'run',
      checkpoint: '/c',
      data: ['/d'],
      settings: trainingDefaults,
    });
    return undefined;
  },
  async work(place, { begun: n }) {
    const dir = runOf(place);
    const newest = (await newestStep(dir))?.step ?? 0;
    const session = await openSession(dir, { after: newest });
    const step = newest + 1;
    try {
      await session.append(stepEvent(step));
      await session.sync();
      const copies = n % 3 === 0 ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const saved = await saveStep(dir, step, async (folder) => {
          await Promise.resolve();
          fill(folder, 2 * n + copy);
        });
        await session.append({ type: 'saved', step, dir: saved });
      }
    } finally {
      await session.close();
    }
  },
  async check(place, { begun, completed, isTorn = false }) {
    const dir = runOf(place);
    const wrong: string[] = [];
    const steps = await savedSteps(dir);
    const newest = steps.at(-1)?.step ?? 0;
    if (newest < completed || newest > begun)
      wrong.push(`the newest checkpoint is of step ${newest}, after ${completed} were saved`);
    if (steps.length > 3) wrong.push(`${steps.length} checkpoints are left`);
    wrong.push(...steps.flatMap((saved) => findFault(saved.dir) ?? []));
    const { damage } = await summarizeRun(dir);
    const lines =
      damage?.code === 'run/damaged-lines' ? Number((damage.detail as { lines: unknown }).lines) : NaN;
    // Torn lines that were not synced are skipped and counted.
    if (damage && !(isTorn && lines <= unsyncedEvents)) wrong.push(`events.jsonl: ${JSON.stringify(damage)}`);
    const logged = (await readEvents(dir)).flatMap((event) => (event.type === 'step' ? [event.step] : []));
    for (let step = 1; step <= newest; step++)
      if (logged.filter((each) => each === step).length !== 1)
        wrong.push(`step ${step} is in the log ${logged.filter((each) => each === step).length} times`);
    return wrong;
  },
};
