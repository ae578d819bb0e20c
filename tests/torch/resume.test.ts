/** @file A run continues on another number of processes, in the other engine, and after a lost process. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { grow } from '../../src-main/engine/grow/grow-job.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { claimRun, newestStep, savedSteps } from '../../src-main/store/run/runs.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import { launchDefaults } from '../../src-main/train/launch.ts';
import type { RunEvent } from '../../src-main/train/run.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import {
  growTiny,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  trainRun,
  trainUntilStep,
} from '../engine/train/train-run.ts';
import {
  collect,
  digestFiles,
  eventsOfType,
  growthNamed,
  neverAborted,
  planFor,
} from '../engine/workbench.ts';
import { freePath } from '../support/temporary.ts';
import { createRunWith, describeTorch, relativeDifference } from './torch-run.ts';

const steps = 30;
const settings: Partial<TrainingSettings> = {
  tokens: steps * 4 * 16,
  microBatch: 2,
  gradAccum: 2,
  saveEvery: 10,
  emaDecay: 0.9,
};
const tolerance = 1e-4;

const changeProcesses = (dir: string, processes: number | null): Promise<void> =>
  claimRun(dir, { launch: processes === null ? null : { ...launchDefaults, processes } });

/** The losses of all steps of a run, from its file. */
async function storedLosses(dir: string): Promise<readonly number[]> {
  const losses: number[] = [];
  for (const event of await readEvents(dir)) {
    if (event.type === 'started' || event.type === 'rolled-back') losses.length = event.step;
    if (event.type === 'step') losses.push(event.loss);
  }
  return losses;
}

/** The last step of each of several sessions, and the processes of the session; null: Cambium's own engine. */
type Sessions = readonly (readonly [processes: number | null, last: number])[];

const cases: readonly (readonly [title: string, sessions: Sessions])[] = [
  [
    'on 4, then 2, then 3 processes',
    [
      [4, 8],
      [2, 17],
      [3, steps],
    ],
  ],
  [
    "in PyTorch, then in Cambium's engine, then in PyTorch",
    [
      [2, 9],
      [null, 18],
      [3, steps],
    ],
  ],
  [
    "in Cambium's engine, then in PyTorch",
    [
      [null, 13],
      [2, steps],
    ],
  ],
];

async function growCheckpoint(source: string): Promise<string> {
  const out = freePath('grown');
  const plan = await planFor(source, growthNamed('hypercloning without noise, diagonal'));
  await collect(grow({ source, out, plan, device: 'cpu' }, neverAborted));
  return out;
}

describeTorch('a run that is stopped and resumed', () => {
  const checkpoint = growTiny('hypercloning');
  const uninterrupted = (async () => {
    const dir = await createRunWith(null, { checkpoint: await checkpoint, data: [textFile] }, settings);
    return lossesOf(await trainRun(dir));
  })();

  for (const [title, sessions] of cases)
    it(`has the losses of one that was never stopped: ${title}`, async () => {
      const files = { checkpoint: await checkpoint, data: [textFile] };
      const dir = await createRunWith(sessions[0]![0], files, settings);
      for (const [processes, last] of sessions) {
        await changeProcesses(dir, processes);
        const events = last === steps ? await trainRun(dir) : await trainUntilStep(dir, last);
        const reason = last === steps ? 'finished' : 'requested';
        expect(events.at(-1), JSON.stringify(events.at(-1))).toMatchObject({ type: 'stopped', reason });
      }
      expect(stepNumbersOf(await readEvents(dir))).toEqual(stepsTo(steps));
      expect(relativeDifference(await uninterrupted, await storedLosses(dir))).toBeLessThan(tolerance);
      // A checkpoint of either engine has the moments and the moving average of the other.
      expect((await newestStep(dir))!.step).toBe(steps);
    });

  it('begins with the moments that were grown with its checkpoint', async () => {
    const first = await createRunWith(null, { checkpoint: await tinyCheckpoint, data: [textFile] }, settings);
    await trainRun(first);
    const files = {
      checkpoint: await growCheckpoint(join((await newestStep(first))!.dir, 'model')),
      data: [textFile],
    };
    const [own, torch] = [
      await createRunWith(null, files, settings),
      await createRunWith(2, files, settings),
    ];
    const [expected, found] = [await trainRun(own), await trainRun(torch)];
    const momentUpdates = eventsOfType(expected, 'started')[0]!.momentUpdates;
    expect(momentUpdates).toBe(steps);
    expect(eventsOfType(found, 'started')[0]!.momentUpdates).toBe(momentUpdates);
    expect(relativeDifference(lossesOf(expected), lossesOf(found))).toBeLessThan(tolerance);
  });
});

describeTorch('a run whose process is killed', () => {
  it('restarts from its newest checkpoint, and its losses go on as if nothing had happened', async () => {
    const files = { checkpoint: await tinyCheckpoint, data: [textFile] };
    const long = { ...settings, tokens: 60 * 4 * 16, saveEvery: 20 };
    const expected = lossesOf(await trainRun(await createRunWith(null, files, long)));
    const dir = await createRunWith(2, files, long);
    let killed = 0;
    const events: RunEvent[] = [];
    for await (const event of train({ run: dir }, neverAborted)) {
      events.push(event);
      if (event.type !== 'step' || event.step < 30 || killed > 0) continue;
      killed = killWorker(join(dir, 'torch'));
    }
    expect(killed).toBeGreaterThan(0);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
    expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 20 }]);
    expect(eventsOfType(events, 'started')).toHaveLength(2);
    expect(relativeDifference(expected, await storedLosses(dir))).toBeLessThan(tolerance);
  });
});

/** Kills one worker of the trainer that works in a folder; returns its process id. */
function killWorker(work: string): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const words = readCommand(name);
    const isWorker =
      words.some((word) => word.endsWith('train.py')) && !words.includes('torch.distributed.run');
    if (!isWorker || !words.includes(work)) continue;
    process.kill(Number(name), 'SIGKILL');
    return Number(name);
  }
  return 0;
}

const readCommand = (pid: string): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};

describeTorch('a consolidated checkpoint', () => {
  it('comes with the SHA-256 of each of its files, and only the newest are kept', async () => {
    const files = { checkpoint: await tinyCheckpoint, data: [textFile] };
    const dir = await createRunWith(2, files, settings);
    await trainRun(dir);
    const saved = await savedSteps(dir);
    expect(saved.map(({ step }) => step)).toEqual([20, 30]);
    for (const { dir: folder } of saved) {
      const hashes = JSON.parse(readFileSync(join(folder, 'hashes.json'), 'utf8')) as Record<string, string>;
      const isHashed = (path: string): boolean => path !== 'hashes.json';
      expect(hashes).toEqual(digestFiles(folder, isHashed));
    }
    expect(existsSync(join(dir, 'torch', 'sharded', 'step-000030', '.metadata'))).toBe(true);
    expect(statSync(join(dir, 'torch')).mode & 0o077).toBe(0);
  });
});
