/** @file A session of a run that PyTorch trains, with a program in the place of Python. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRun } from '../../../src-main/store/run/runs.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { launchDefaults, type LaunchSettings } from '../../../src-main/train/launch.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createFakeTorch, type FakeTorch } from '../../support/fake-torch.ts';
import { freePath } from '../../support/temporary.ts';
import { eventsOfType, smallSettings } from '../workbench.ts';
import { stepNumbersOf, stepsTo, textFile, tinyCheckpoint, trainRun, trainUntilStep } from './train-run.ts';

const isPosix = process.platform !== 'win32';
afterEach(() => {
  delete process.env['CAMBIUM_PYTHON'];
});

/** Creates a run that the fake PyTorch trains. */
async function createTorchRun(
  fake: FakeTorch,
  launch: Partial<LaunchSettings> = {},
  settings: Partial<TrainingSettings> = {},
): Promise<string> {
  process.env['CAMBIUM_PYTHON'] = createFakeTorch(fake);
  const dir = freePath('run');
  await createRun(dir, {
    name: 'run',
    checkpoint: await tinyCheckpoint,
    data: [textFile],
    settings: { ...smallSettings, ...settings },
    launch: { ...launchDefaults, ...launch },
  });
  return dir;
}

/** The error with which a run ends. */
const errorOf = (events: readonly RunEvent[]): unknown => eventsOfType(events, 'stopped').at(-1)?.error;

interface Calls {
  readonly args: readonly string[];
  readonly pid: string;
}
const callsOf = (dir: string): Calls =>
  JSON.parse(readFileSync(join(dir, 'torch', 'calls.json'), 'utf8')) as Calls;

describe.skipIf(!isPosix)('a run that PyTorch trains', () => {
  it('passes the events of the trainer on, after they are in events.jsonl of the run', async () => {
    const dir = await createTorchRun({}, { processes: 2 });
    const events = await trainRun(dir);
    expect(stepNumbersOf(events)).toEqual(stepsTo(6));
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
    expect(await readEvents(dir)).toEqual(events);
    const { args, pid } = callsOf(dir);
    expect(args).toContain('--nproc-per-node');
    expect(args[args.indexOf('--nproc-per-node') + 1]).toBe('2');
    expect(Number(pid)).toBe(process.pid);
  });

  it('describes every weight of the model in job.json', async () => {
    const dir = await createTorchRun({}, { processes: 2, tensorParallel: 2, pricePerHour: 3 });
    await trainRun(dir);
    const job = JSON.parse(readFileSync(join(dir, 'torch', 'job.json'), 'utf8')) as {
      readonly weights: readonly {
        readonly name: string;
        readonly parameter: string;
        readonly rule: string;
      }[];
    };
    expect(job).toMatchObject({ tensorParallel: 2, pricePerHour: 6, consolidate: 'save', momentUpdates: 0 });
    expect(job.weights.every(({ rule }) => rule === 'adamw')).toBe(true);
    expect(job.weights.map(({ parameter }) => parameter)).toContain('model.embed_tokens.weight');
    expect(existsSync(join(dir, 'torch', 'model', 'model.safetensors'))).toBe(true);
    expect(existsSync(join(dir, 'torch', 'trainer', 'cambium_torch', 'trainer.py'))).toBe(true);
  });

  it('asks the trainer to stop, and ends as stopped on request', async () => {
    const dir = await createTorchRun({ behavior: 'wait' });
    const events = await trainUntilStep(dir, 3);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested' });
  });

  it('ends with the error that the trainer reports', async () => {
    const events = await trainRun(await createTorchRun({ behavior: 'fail' }));
    expect(errorOf(events)).toMatchObject({ code: 'torch/no-tensor-plan', detail: { model: 'llama' } });
  });

  it('ends with the last line of the log if the trainer dies', async () => {
    const events = await trainRun(await createTorchRun({ behavior: 'crash' }));
    expect(errorOf(events)).toMatchObject({
      code: 'torch/failed',
      detail: { how: 'exit code 3', lines: expect.stringContaining('Traceback: out of luck') as string },
    });
  });

  it('reads what the trainer wrote after its Cambium had ended, up to the checkpoint that it left', async () => {
    const dir = await createTorchRun({ behavior: 'wait' });
    await trainUntilStep(dir, 2);
    const last = stepNumbersOf(await readEvents(dir)).at(-1)!;
    const missed = Array.from({ length: 3 }, (_, i) => ({
      type: 'step',
      step: last + 1 + i,
      lr: 0.1,
      loss: 1,
      gradNorm: 1,
      updateRatio: 0.1,
      tokens: 0,
      seconds: 0.01,
    }));
    const lines = missed.map((event) => `${JSON.stringify(event)}\n`).join('');
    appendFileSync(join(dir, 'torch', 'events.jsonl'), lines);
    const saved = join(dir, 'torch', 'sharded', `step-${String(last + 2).padStart(6, '0')}`);
    mkdirSync(saved, { recursive: true });
    writeFileSync(join(saved, 'step.json'), '{}');
    process.env['CAMBIUM_PYTHON'] = createFakeTorch({ missing: ['torch'] });
    const events = await trainRun(dir);
    expect(stepNumbersOf(events)).toEqual([last + 1, last + 2]);
    expect(errorOf(events)).toMatchObject({
      code: 'torch/missing-packages',
      detail: { packages: ['torch'] },
    });
  });

  it.each<readonly [string, FakeTorch, Partial<LaunchSettings>, Partial<TrainingSettings>, unknown]>([
    [
      'more GPUs than there are',
      { gpus: ['A'] },
      { processes: 2 },
      { device: 'cuda' },
      { code: 'torch/no-gpus' },
    ],
    [
      'a GPU where there is none',
      {},
      {},
      { device: 'cuda' },
      { code: 'torch/no-gpus', detail: { wanted: 1 } },
    ],
    ['WebGPU', { gpus: ['A'] }, {}, { device: 'webgpu' }, { code: 'torch/unsupported' }],
    ['float16', {}, { processes: 1 }, { precision: 'float16' }, { code: 'torch/unsupported' }],
    ['more processes than sequences', {}, { processes: 3 }, {}, { code: 'torch/too-many-processes' }],
    ['uneven groups', {}, { processes: 3, tensorParallel: 2 }, {}, { code: 'run/bad-setting' }],
  ])('refuses %s', async (_, fake, launch, settings, expected) => {
    expect(errorOf(await trainRun(await createTorchRun(fake, launch, settings)))).toMatchObject(
      expected as object,
    );
  });

  it('uses all GPUs unless their number is given', async () => {
    const gpus = ['A', 'B'];
    const dir = await createTorchRun({ gpus }, {}, { device: 'auto' });
    await trainRun(dir);
    const { args } = callsOf(dir);
    expect(args[args.indexOf('--nproc-per-node') + 1]).toBe('2');
  });

  it('refuses a run without PyTorch', async () => {
    const dir = await createTorchRun({});
    process.env['CAMBIUM_PYTHON'] = '/nowhere/python';
    expect(errorOf(await trainRun(dir))).toMatchObject({ code: 'torch/not-installed' });
  });
});

describe('a run with a checkpoint that only PyTorch reads', () => {
  it("is not continued by Cambium's engine", async () => {
    const dir = freePath('run');
    await createRun(dir, {
      name: 'run',
      checkpoint: await tinyCheckpoint,
      data: [textFile],
      settings: smallSettings,
    });
    mkdirSync(join(dir, 'torch', 'sharded', 'step-000004'), { recursive: true });
    await expect(trainRun(dir)).rejects.toMatchObject({
      code: 'torch/only-sharded',
      detail: { sharded: 4, consolidated: 0 },
    });
  });
});
