/**
 * @file Runs from their first step to their last, each in a folder of its own and resumed after every kill: of one
 * model, and of one that grows on the way.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../src-main/base/errors.ts';
import { createAborter } from '../../../src-main/base/signals.ts';
import { train as trainRun } from '../../../src-main/engine/train/train-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { createRun, newestStep, savedSteps, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunStage } from '../../../src-main/train/stages.ts';
import { trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { digestFolder, isSameDigest } from './digest.ts';
import type { Operation, Place } from './operation.ts';

const steps = 60;
const settings: TrainingSettings = {
  ...trainingDefaults,
  tokens: steps * 2 * 16,
  microBatch: 2,
  contextLength: 16,
  lr: 3e-3,
  warmupSteps: 2,
  device: 'cpu',
  threads: 1,
  saveEvery: 2,
  evaluateEvery: 5,
  sampleEvery: 0,
  heldOut: 0.05,
};

const checkpointOf = ({ inputs }: Place): string => join(inputs, 'checkpoint');
const textOf = ({ inputs }: Place): string => join(inputs, 'text.txt');
const runOf = ({ root }: Place, n: number): string => join(root, `run-${n}`);

/** What the same run gives when nothing interrupts it. */
interface Reference {
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, string>>;
}
const isWeights = (path: string): boolean => path.endsWith('.safetensors');
const lossesOf = async (dir: string): Promise<readonly (readonly [step: number, loss: number])[]> =>
  (await readEvents(dir)).flatMap((event) =>
    event.type === 'step' ? [[event.step, event.loss] as const] : [],
  );

/** The model grows in the middle of the run. */
const growingStages: readonly RunStage[] = [
  { until: { tokens: settings.tokens / 2 } },
  { grow: [{ method: 'hypercloning', to: { hidden: 32 }, options: {}, seed: 3, dtype: 'keep' }] },
];

async function createOwnRun(place: Place, dir: string, stages?: readonly RunStage[]): Promise<void> {
  const run = { name: 'run', checkpoint: checkpointOf(place), data: [textOf(place)], settings };
  await createRun(dir, { ...run, ...(stages ? { stages } : {}) });
}

async function trainToEnd(dir: string): Promise<void> {
  const { signal } = createAborter();
  for await (const event of trainRun({ run: dir }, signal))
    if (event.type === 'stopped' && event.error) throw new AppError(event.error.code, event.error.detail);
}

async function measure(dir: string): Promise<Reference> {
  const losses = (await lossesOf(dir)).map(([, loss]) => loss);
  return { losses, weights: digestFolder((await newestStep(dir))!.dir, isWeights) };
}

const createOperation = (stages?: readonly RunStage[]): Operation => ({
  guess: 3000,
  async prepare(place) {
    // The caches of tokens and of speeds are torn as well.
    process.env['CAMBIUM_HOME'] = join(place.root, 'home');
    await makeTinyCheckpoint('llama', { dir: checkpointOf(place), tokenizer: true });
    const sentence = (i: number): string => `The ${i % 7} trees grow ${i * i} rings in ${i % 13} years.\n`;
    writeFileSync(textOf(place), Array.from({ length: 400 }, (_, i) => sentence(i)).join(''));
    const reference = join(place.inputs, 'reference');
    await createOwnRun(place, reference, stages);
    await trainToEnd(reference);
    writeFileSync(join(place.inputs, 'reference.json'), JSON.stringify(await measure(reference)));
    return undefined;
  },
  async work(place, { completed }) {
    process.env['CAMBIUM_HOME'] = join(place.root, 'home');
    const dir = runOf(place, completed);
    mkdirSync(place.root, { recursive: true });
    if (!existsSync(dir)) await createOwnRun(place, dir, stages);
    await trainToEnd(dir);
  },
  async check(place, { completed }) {
    const wrong: string[] = [];
    if (completed > 0) wrong.push(...(await checkFinished(place, runOf(place, completed - 1))));
    const dir = runOf(place, completed);
    if (!existsSync(dir)) return wrong;
    const { damage, error, savedStep } = await summarizeRun(dir);
    if (damage) wrong.push(`events.jsonl: ${JSON.stringify(damage)}`);
    if (error && error.code !== 'file/no-space') wrong.push(`the run: ${JSON.stringify(error)}`);
    const saved = await savedSteps(dir);
    // Two are kept, one more until it is removed, and the one that was grown.
    if (saved.length > (stages ? 4 : 3)) wrong.push(`${saved.length} checkpoints are left`);
    for (const step of saved) {
      const model = await openCheckpoint(join(step.dir, 'model')).catch((thrown: unknown) => String(thrown));
      if (typeof model === 'string') wrong.push(`the checkpoint of step ${step.step}: ${model}`);
    }
    const logged = (await lossesOf(dir)).map(([step]) => step);
    for (let step = 1; step <= (savedStep ?? 0); step++)
      if (logged.filter((each) => each === step).length !== 1)
        wrong.push(`step ${step} is not once in the log`);
    return wrong;
  },
  clean(place, { completed }) {
    if (completed > 1) rmSync(runOf(place, completed - 2), { recursive: true, force: true });
  },
});

export const train = createOperation();
export const growWhileTraining = createOperation(growingStages);

/** A run that was killed again and again has the losses and the bytes of one that was not. */
async function checkFinished(place: Place, dir: string): Promise<readonly string[]> {
  const text = readFileSync(join(place.inputs, 'reference.json'), 'utf8');
  const reference = JSON.parse(text) as Reference;
  const { losses, weights } = await measure(dir);
  const { state } = await summarizeRun(dir);
  return [
    ...(state === 'finished' ? [] : [`a run that was trained to its end is ${state}`]),
    ...(JSON.stringify(losses) === JSON.stringify(reference.losses) ? [] : [`${dir} has other losses`]),
    ...(isSameDigest(weights, reference.weights) ? [] : [`${dir} has other weights`]),
  ];
}
